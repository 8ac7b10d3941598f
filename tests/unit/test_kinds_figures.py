"""The lines of `python -m benchmarks kinds`: lists of any keys against what would have been right."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks" / "kinds").is_dir(), reason="the benchmarks are not shipped"
)


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.kinds import figures

    return figures


def line(figures, wanted, ours, floor, **more):
    answers = [figures.Answer(keys=keys, own=own) for keys, own in ours]
    options = {"name": "name", "floor_name": "popular", "catalogue": 10, "k": 2, **more}
    return figures.line("kind", "asked", wanted, answers, floor, **options)


def test_a_line_has_the_figures_of_both_sides(figures):
    found = line(
        figures,
        [frozenset({1}), frozenset({2, 3})],
        [([1, 9], 2), ([8, 3], 1)],
        [[9, 1], [9, 8]],
    )
    assert found.cases == 2
    assert found.recall == pytest.approx((1.0 + 0.5) / 2)
    assert found.recall_error == pytest.approx(0.25)
    assert found.hit == 1.0
    assert found.floor_recall == pytest.approx(0.5)
    assert found.coverage == pytest.approx(4 / 10)  # 1, 9, 8 and 3
    assert found.own == pytest.approx(3 / 4)
    assert found.filled == 1.0
    assert found.ratio == pytest.approx(found.ndcg / found.floor_ndcg)


def test_short_lists_and_names_for_keys(figures):
    found = line(figures, [frozenset({"Mugs"})], [(["Bags"], 1)], [["Mugs"]], k=3)
    assert found.recall == 0.0
    assert found.floor_recall == 1.0
    assert found.filled == pytest.approx(1 / 3)
    assert found.ratio == 0.0
    assert found.recall_error == 0.0


def test_a_floor_that_finds_nothing_gives_no_finite_ratio(figures):
    found = line(figures, [frozenset({1})] * 3, [([1], 1)] * 3, [[2]] * 3)
    assert found.ratio == float("inf")
    assert found.ratio_error == 0.0
    assert found.ndcg == 1.0


def test_the_log_is_cut_at_one_moment(monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.kinds import log

    planted = log.planted(customers=24, products=80, days=100)
    cut = log.cut(planted, 14)
    assert cut.past.at.max() < cut.split <= cut.after.at.min()
    assert len(cut.past.code) + len(cut.after.code) == len(planted.code)
    assert set(cut.after.code) - set(cut.past.code), "some products are new"
    assert set(cut.after.customer) - set(cut.past.customer), "some customers are new"
    with pytest.raises(log.NoLog, match="does not reach further back"):
        log.cut(planted, 400)


def test_a_log_that_is_not_there_is_said_so(monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.kinds import log

    monkeypatch.delenv(log.FOLDER, raising=False)
    with pytest.raises(log.NoLog, match="BENCH_DATA"):
        log.read("no_such_log")


def test_what_rose_has_doubled_its_share_and_been_bought_by_some(figures):
    now = Counter({"usual": 20, "risen": 12, "few": 2, "new": 3})
    before = Counter({"usual": 80, "risen": 12, "few": 1})
    assert figures.risen(now, before) == {"risen", "new"}
    assert figures.risen(Counter(), before) == frozenset()


def test_titles_that_share_rare_words_are_most_alike(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.kinds.titles import alike

    titles = {1: "red mug", 2: "blue mug", 3: "red retrospot bag", 4: "retrospot bunting", 5: "42"}
    titles |= {6: "red retrospot bunting", 7: "red retrospot tin"}
    found = alike({6, 7}, titles)
    assert found[6][0] == 4
    assert set(found[6]) == {1, 2, 3, 4, 5}
