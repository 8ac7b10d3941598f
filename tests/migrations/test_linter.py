"""What django-migration-linter says of every migration of ours, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("django_migration_linter")


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "KEYSHOP_APP": "django_migration_linter"}


def test_no_migration_breaks_a_running_shop(manage: Callable[..., str]) -> None:
    told = manage("lintmigrations", "reco", "--no-cache", "--warnings-as-errors")
    assert "Erroneous migrations: 0/" in told, told
