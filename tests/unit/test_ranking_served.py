"""A blend that a page can serve, learnt from a planted log."""

from __future__ import annotations

import numpy as np
import pytest

from reco_plugin import metrics
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.ranking import exchange, folds, served
from reco_plugin.ranking.served import Settings, newest
from reco_plugin.ranking.votes import ranked
from reco_plugin.testing.neighbours import planted_features, planted_histories
from reco_plugin.trainers.histories import histories


@pytest.fixture(scope="module")
def learnt():
    whole = planted_histories(shoppers=240)
    moment = int(np.quantile(whole.at, 0.8))
    return (
        whole,
        moment,
        served.learn(whole, moment, features=planted_features(), settings=Settings(fewest=2)),
    )


def lists(found, fold):
    past = newest(fold.requests.past, found.recipe.newest)
    rows = np.full((len(past), 10), -1, np.int32)
    for row in range(len(past)):
        part = slice(past.starts[row], past.starts[row + 1])
        steps = past.steps_back[part][::-1].tolist()
        told = found.votes(past.items[part][::-1].tolist(), steps, found.beside())
        places, _ = ranked(found.recipe, told, 10)
        rows[row, : len(places)] = [told.candidates[place] for place in places]
    return rows


def test_the_trial_finds_what_shoppers_turn_to(learnt):
    whole, moment, found = learnt
    fold = folds.after_moment(whole, moment=moment)
    ours = metrics.ndcg_at_k(lists(found.trial, fold), fold.wanted, 10).mean()
    popular = np.argsort(-fold.train.counts(), kind="stable")[:10]
    same = np.tile(popular.astype(np.int32), (len(fold.requests), 1))
    assert ours > 2 * metrics.ndcg_at_k(same, fold.wanted, 10).mean()


def test_the_final_one_knows_more_and_both_name_their_members(learnt):
    _, _, found = learnt
    assert len(found.final.packed.items) > len(found.trial.packed.items)
    assert "content" in found.final.recipe.members
    assert found.requests > 100
    assert {"wanted", "idle 7 days"} <= set(found.facts)


def test_it_travels_whole(learnt, tmp_path):
    _, _, found = learnt
    digest = exchange.save_learnt(tmp_path / "learnt.npz", found)
    other = exchange.load_learnt(tmp_path / "learnt.npz", digest)
    assert other.final.recipe.as_json() == found.final.recipe.as_json()
    assert np.array_equal(other.trial.packed.values, found.trial.packed.values)
    assert other.facts == found.facts


def test_a_log_of_which_nothing_came_before_the_moment():
    whole = planted_histories(shoppers=20)
    with pytest.raises(NotEnoughData):
        served.learn(whole, 0, features=None, settings=Settings())


def test_shuffled_answers_leave_a_plain_blend_no_worse_than_chance(learnt):
    """Nothing of the request's own future leaks in: dealt out at random, answers are found by chance."""
    whole, moment, found = learnt
    fold = folds.after_moment(whole, moment=moment)
    mixed = fold.wanted[np.random.default_rng(0).permutation(len(fold.requests))]
    hit = metrics.recall_at_k(lists(found.trial, fold), mixed, 10).mean()
    assert hit < 0.35


def test_each_item_once_where_it_was_met_last():
    past = histories(
        np.zeros(6, np.int64), np.array([1, 2, 1, 3, 2, 2]), n_rows=1, n_items=4,
        at=np.arange(6),
    )  # fmt: skip
    assert newest(past, 3).items.tolist() == [3, 2]
    assert newest(past, 9).items.tolist() == [1, 3, 2]
    assert newest(past, 9).steps_back.tolist() == [2, 1, 0]
