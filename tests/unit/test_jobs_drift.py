"""How far two weeks are apart, and what of it is chance."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.jobs.drift_figures import LARGE, MODERATE, chance, shift
from reco_plugin.jobs.drift_weeks import decay, weeks

counts = st.lists(st.integers(0, 1_000), min_size=2, max_size=8)
TRAINED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def moved(then: list[int], now: list[int], shoppers: tuple[int, int] = (5_000, 5_000)) -> Any:
    cells = [f"cell {number}" for number in range(len(then))]
    return shift("kinds", np.array(then, float), np.array(now, float), cells, shoppers=shoppers)


@given(counts)
def test_the_same_distribution_has_not_moved(then):
    assert moved(then, then).index == pytest.approx(0)


@given(counts, counts)
def test_the_index_is_symmetric_and_never_negative(then, now):
    size = min(len(then), len(now))
    one, other = moved(then[:size], now[:size]), moved(now[:size], then[:size])
    assert one.index >= 0
    assert one.index == pytest.approx(other.index)


def test_the_textbook_value():
    """(.7 - .5) ln(.7 / .5) + (.3 - .5) ln(.3 / .5) = .1695."""
    assert moved([50_000, 50_000], [70_000, 30_000]).index == pytest.approx(0.1695, abs=1e-3)


@pytest.mark.parametrize(
    ("now", "level"), [([51, 49], "stable"), ([70, 30], "moderate"), ([90, 10], "large")]
)
def test_levels(now, level):
    assert moved([50_000, 50_000], [1_000 * n for n in now]).level == level


def test_what_few_shoppers_do_by_chance_is_stable():
    few = moved([50, 50, 50, 50], [80, 40, 50, 30], shoppers=(30, 25))
    assert few.index > MODERATE
    assert few.level == "stable"


def test_chance_is_seldom_above_its_line():
    random = np.random.default_rng(0)
    then = random.multinomial(300, [0.2] * 5, size=500)
    now = random.multinomial(200, [0.2] * 5, size=500)
    line = chance(5, 300, 200)
    above = [moved(a.tolist(), b.tolist()).index > line for a, b in zip(then, now, strict=True)]
    assert np.mean(above) < 0.03
    assert line < LARGE


def test_a_cell_that_is_new_is_not_infinitely_far_and_is_named():
    found = moved([100, 100, 0], [60, 60, 80])
    assert np.isfinite(found.index)
    assert found.moved[0][0] == "cell 2"


def test_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match="belong together"):
        shift("kinds", np.ones(2), np.ones(3), ["a", "b"], shoppers=(1, 1))


# --- weeks ---------------------------------------------------------------------------------------


def entry(day: int, lead: float, *, shoppers: int = 400, error: float = 0.002) -> dict[str, Any]:
    ndcg = {"mean": 0.05 + lead, "low": 0.04 + lead, "high": 0.06 + lead, "n": shoppers}
    return {
        "at": (TRAINED + dt.timedelta(days=day)).isoformat(),
        "k": 10,
        "shoppers": shoppers,
        "served": {"ndcg@10": ndcg},
        "popularity": {"ndcg@10": {"mean": 0.05}},
        "difference": lead,
        "error": error,
    }


def test_days_are_taken_together_into_weeks_by_their_shoppers():
    first, second = weeks([entry(1, 0.01), entry(6, 0.04, shoppers=200), entry(8, 0.0)], TRAINED)
    assert (first.number, second.number) == (0, 1)
    assert first.lead == pytest.approx(0.02)
    assert first.shoppers == 600
    assert first.lead_error < 0.002  # more shoppers, more certain
    assert first.as_json()["ndcg"]["low"] < first.served < first.as_json()["ndcg"]["high"]


def test_a_lead_that_is_lost_beyond_chance_is_told():
    assert "fell from +0.0200" in decay(weeks([entry(3, 0.02), entry(17, 0.005)], TRAINED))
    assert decay(weeks([entry(3, 0.02), entry(17, 0.018)], TRAINED)) == ""
    assert decay(weeks([entry(3, 0.02)], TRAINED)) == ""
    assert decay([]) == ""


def test_a_run_that_is_worse_than_popularity_is_told_at_once():
    assert "popularity did better" in decay(weeks([entry(3, -0.02)], TRAINED))
