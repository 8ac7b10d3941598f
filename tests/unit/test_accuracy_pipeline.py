"""`python -m benchmarks accuracy --pipeline`: what it asks, and how it tells agreement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from reco_plugin.ranking import folds
from reco_plugin.testing.neighbours import planted_histories

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks" / "accuracy").is_dir(), reason="the benchmarks are not shipped"
)


@pytest.mark.parametrize("cut", [folds.cart, lambda past: folds.last_basket(past, new=False)])
def test_what_no_page_is_asked_is_refused(cut):
    from benchmarks.accuracy.pipeline import CannotServe, lines

    with pytest.raises(CannotServe, match="last-basket"):
        list(lines(cut(planted_histories()), {}))


def test_agreement_is_place_by_place(monkeypatch):
    from benchmarks.accuracy import pipeline

    wanted = sparse.csr_matrix(np.eye(2, 12, dtype=np.float32))
    fold = folds.Fold(train=None, requests=None, wanted=wanted)
    one = np.arange(20, dtype=np.int32).reshape(2, 10) % 12
    other = one.copy()
    other[1, [0, 1]] = other[1, [1, 0]]
    monkeypatch.setattr(
        pipeline,
        "answers",
        lambda *_: pipeline.Answers(
            served=one, offline=other, seconds={}, ms_per_request=1.0, note=""
        ),
    )
    served, offline, agreed = pipeline.lines(fold, {})
    assert (agreed["equal"], agreed["shared"]) == (0.5, 1.0)
    assert served["ndcg@10"] >= offline["ndcg@10"] > 0


def test_the_last_event_is_of_this_minute_also_where_there_is_no_time():
    import time
    from dataclasses import replace

    from benchmarks.accuracy.pipeline import _moved

    past = planted_histories()
    for known in (past, replace(past, at=None)):
        moved = _moved(known)
        assert abs(moved.at.max() / 1e6 - time.time()) < 3_600
        assert (np.diff(moved.at)[np.diff(moved.rows) == 0] >= 0).all()


def test_a_product_twice_in_a_basket_is_ordered_once():
    from benchmarks.accuracy.pipeline import one_moment_each
    from reco_plugin.trainers.histories import histories

    past = histories(
        np.zeros(6, np.int64),
        np.array([1, 2, 1, 3, 1, 4]),
        n_rows=1,
        n_items=5,
        at=np.array([5, 6, 7, 9, 9, 9]),
        basket=np.array([0, 0, 0, 1, 1, 1]),
    )
    found = one_moment_each(past)
    assert found.items.tolist() == [1, 2, 3, 1, 4]
    assert found.at.tolist() == [5, 5, 9, 9, 9]
    assert found.steps_back.tolist() == [1, 1, 0, 0, 0]
