"""An instrument whose extra is missing says so, and nothing else goes wrong."""

from __future__ import annotations

import pytest
from django.core.checks import registry

from reco_plugin.contrib.extras import connect_or_explain


@pytest.fixture
def checks(monkeypatch):
    mine = registry.CheckRegistry()
    monkeypatch.setattr("django.core.checks.register", mine.register)
    return mine


def lacks(name: str):
    def connect() -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return connect


def test_w051_names_the_extra(checks) -> None:
    connect_or_explain(lacks("some_client"), "some_client", "some", "reco_plugin.contrib.some")
    (found,) = checks.run_checks(tags=["reco"])
    assert found.id == "reco.W051"
    assert "some_client" in found.msg
    assert "django-reco-plugin[some]" in found.hint


def test_a_part_of_the_package_counts(checks) -> None:
    connect_or_explain(lacks("some_client.core"), "some_client", "some", "reco_plugin.contrib.some")
    assert len(checks.run_checks(tags=["reco"])) == 1


def test_what_else_is_missing_is_not_explained_away(checks) -> None:
    with pytest.raises(ModuleNotFoundError, match="another"):
        connect_or_explain(lacks("another"), "some_client", "some", "reco_plugin.contrib.some")
    assert checks.run_checks(tags=["reco"]) == []
