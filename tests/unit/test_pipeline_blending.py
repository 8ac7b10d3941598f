"""What a page makes of a learnt blend whose configuration, or whose lists, were damaged."""

import numpy as np
import pytest

from reco_plugin.pipeline import blending
from reco_plugin.ranking.votes import Recipe

RECIPE = Recipe(
    members=("ease",), decays=(1.0,), weights=np.ones(3, np.float32), newest=9
).as_json()
BROKEN = [
    None,
    7,
    [],
    {},
    {"recipe": None},
    {"recipe": 7, "fewest": 9},
    {"recipe": {"members": ["ease"]}},
    {"recipe": {**RECIPE, "weights": [1, 2]}},
    {"recipe": {**RECIPE, "weights": [1, [2], 3]}},
    {"recipe": {**RECIPE, "newest": 0}},
    {"recipe": RECIPE, "fewest": "x"},
]


@pytest.fixture(autouse=True)
def anew(settings):
    settings.RECO_MIN_PAIR_SHOPPERS = 3
    blending.forget()


@pytest.mark.parametrize("config", BROKEN)
def test_what_cannot_be_read_is_not_asked_and_told_once(config, caplog):
    assert [blending.newest(1, config) for _ in range(3)] == [0, 0, 0]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"Blend run 1: {blending.trouble(config)}"
    assert "fixed weights" in line


@pytest.mark.parametrize("trees", [7, [], {}, {"sha256": "0"}, "text"])
def test_trees_that_cannot_be_read_leave_the_linear_ranker(trees, caplog):
    config = {"recipe": {**RECIPE, "trees": trees}, "fewest": 3}
    assert [blending.newest(1, config) for _ in range(3)] == [9, 9, 9]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "linear ranker" in line


def test_what_can_be_read_is_read_once_until_it_changes(monkeypatch):
    config = {"recipe": RECIPE, "fewest": 3}
    assert blending.trouble(config) == ""
    assert blending.newest(1, config) == 9
    monkeypatch.setattr(blending, "_read", lambda told: (None, "changed"))
    assert blending.newest(1, {"recipe": dict(RECIPE), "fewest": 3}) == 9
    assert blending.newest(1, {"recipe": RECIPE, "fewest": 4}) == 0


def test_switched_off_or_of_rarer_pairs_it_is_not_asked(settings):
    assert blending.newest(1, {"recipe": RECIPE, "fewest": 2}) == 0
    settings.RECO_BLEND = False
    assert blending.newest(2, {"recipe": RECIPE, "fewest": 3}) == 0
