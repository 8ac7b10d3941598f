"""Every source that ships does what any source must do."""

import pytest

from reco_plugin.retrieval import KINDS, SOURCES
from reco_plugin.testing.sources import SourceConformance


def test_every_source_a_kind_names_exists() -> None:
    assert {name for kind in KINDS.values() for name in kind.sources} == set(SOURCES)


class TestEverySource(SourceConformance):
    source = SOURCES["popular"]

    @pytest.fixture(params=sorted(SOURCES), autouse=True)
    def each(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(self), "source", SOURCES[request.param])
