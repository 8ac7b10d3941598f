"""Attention and graph: they find what was planted, fall to chance where nothing was, and say what they lack."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.evaluation import entrants
from reco_plugin.evaluation.measuring import Question, answers
from reco_plugin.evaluation.protocols import protocols
from reco_plugin.exceptions import NotEnoughData, TrainingFailed
from reco_plugin.ranking import folds
from reco_plugin.testing.neighbours import planted_features, planted_histories
from reco_plugin.testing.trainers import TrainerConformance, planted_dataset, small_dataset
from reco_plugin.trainers import registry, spaces
from reco_plugin.trainers.deep import sequences, torches
from reco_plugin.trainers.deep.holdout import held_out
from reco_plugin.trainers.deep.lightgcn import LightGCN
from reco_plugin.trainers.deep.sasrec import SASRec
from reco_plugin.trainers.histories import histories
from reco_plugin.types import Features

needs_torch = pytest.mark.skipif(not torches.is_installed(), reason="the extra `deep`")
QUICK = {
    "dimensions": 16,
    "blocks": 1,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "epochs": 12,
    "events": 256,
}
ITEMS = 30
NEXT = np.random.default_rng(3).permutation(ITEMS)


def chains(rows=240, each=6, *, seed=0, items=ITEMS):
    """Each item is followed by its own successor, from a start drawn at random."""
    random = np.random.default_rng(seed)
    found = np.empty((rows, each), np.int64)
    found[:, 0] = random.integers(0, ITEMS, rows)
    for at in range(1, each):
        found[:, at] = NEXT[found[:, at - 1]]
    return histories(np.repeat(np.arange(rows), each), found.ravel(), n_rows=rows, n_items=items)


def in_turn(lists, basket=None):
    """Histories from lists of items."""
    rows = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    flat = np.array([item for one in lists for item in one], np.int64)
    return histories(rows, flat, n_rows=len(lists), n_items=ITEMS, basket=basket)


@pytest.fixture(scope="module")
def learnt():
    pytest.importorskip("torch")
    return SASRec(QUICK).fit(chains(), seed=1)


# --- attention -----------------------------------------------------------------------------------


def test_a_fixed_successor_is_found(learnt):
    asked = chains(rows=60, seed=9)
    best = learnt.score(asked).argmax(axis=1)
    assert (best == NEXT[asked.items[asked.starts[1:] - 1]]).mean() > 0.95


@needs_torch
def test_shuffled_events_teach_nothing():
    past = chains()
    dealt = replace(past, items=np.random.default_rng(5).permutation(past.items))
    asked = chains(rows=60, seed=9)
    best = SASRec(QUICK).fit(dealt, seed=1).score(asked).argmax(axis=1)
    assert (best == NEXT[asked.items[asked.starts[1:] - 1]]).mean() < 0.2


@needs_torch
def test_more_than_the_newest_event_is_looked_at():
    """The second event but one decides: the newest is noise."""
    random = np.random.default_rng(0)
    told, noise = random.integers(0, 4, 300), random.integers(4, 10, 300)
    past = in_turn([[a, b, a + 10] for a, b in zip(told, noise, strict=True)])
    found = SASRec({**QUICK, "epochs": 25}).fit(past, seed=1)
    asked = in_turn([[a, b] for a, b in zip(told, noise, strict=True)][:60])
    assert (found.score(asked).argmax(axis=1) == told[:60] + 10).mean() > 0.95


def test_what_comes_later_is_not_seen(learnt):
    """The vector of an event is the same whatever follows it, and whoever else is in the batch."""
    from reco_plugin.trainers.deep.torches import torch

    past = chains(rows=3, each=5)
    batch = sequences.newest(past, 50)
    items, step = torch.as_tensor(batch.items), torch.as_tensor(batch.step)
    with torch.no_grad():
        whole = learnt.network(items, step)
        begun = learnt.network(items[:1, :3], step[:1, :3])
    assert torch.allclose(whole[:1, :3], begun, atol=1e-5)


def test_histories_of_any_length_are_answered_alike(learnt):
    alone = [in_turn([one]) for one in ([4], [1, 2, 3], [7] * 80)]
    together = learnt.score(in_turn([[4], [], [1, 2, 3], [7] * 80]))
    for row, one in zip((0, 2, 3), alone, strict=True):
        assert np.allclose(together[row], learnt.score(one)[0], atol=1e-4)
    assert np.isneginf(together[1]).all()
    assert learnt.vectors(in_turn([[]])).any() == np.False_


@needs_torch
def test_baskets_have_no_order():
    """Both events of a basket are told of together, and neither is asked for after the other."""
    lists = [[1, 2, 3, 4], [2, 1, 4, 3]] * 40
    past = in_turn(lists, basket=np.repeat(np.arange(160), 2))
    found = SASRec(QUICK).fit(past, seed=1)
    one, other = (in_turn([pair], basket=np.zeros(2, int)) for pair in ([1, 2], [2, 1]))
    scores = found.score(one)[0]
    assert np.allclose(scores, found.score(other)[0], atol=1e-4)
    assert set(np.argsort(-scores)[:2]) == {3, 4}


@needs_torch
def test_the_same_seed_gives_the_same_numbers_and_leaves_chance_alone():
    from reco_plugin.trainers.deep.torches import torch

    past = chains(rows=40)
    torch.manual_seed(7)
    one = SASRec({**QUICK, "epochs": 2, "dropout": 0.2}).fit(past, seed=4)
    drawn = torch.rand(1)
    other = SASRec({**QUICK, "epochs": 2, "dropout": 0.2}).fit(past, seed=4)
    assert np.array_equal(one.item_vectors, other.item_vectors)
    assert np.array_equal(one.vectors(past), other.vectors(past))
    torch.manual_seed(7)
    assert torch.equal(torch.rand(1), drawn)
    third = SASRec({**QUICK, "epochs": 2}).fit(past, seed=5)
    assert not np.array_equal(one.item_vectors, third.item_vectors)


def test_it_stops_in_time_and_keeps_the_best(learnt):
    looks = [told["ndcg@10"] for told in learnt.history]
    assert looks[learnt.epochs - 1] == max(looks)
    assert len(looks) <= learnt.epochs + 3
    assert learnt.item_vectors.shape == (ITEMS, 16)


@needs_torch
def test_items_are_drawn_in_large_catalogues():
    config = {**QUICK, "exact": 5, "negatives": 20}
    asked = chains(rows=60, seed=9)
    best = SASRec(config).fit(chains(), seed=1).score(asked).argmax(axis=1)
    assert (best == NEXT[asked.items[asked.starts[1:] - 1]]).mean() > 0.9


@needs_torch
@pytest.mark.parametrize(
    ("lists", "config"),
    [([[0]], {}), ([[0, 0]], {}), ([[0, 0]], {"repeats": False}), ([[], [1, 2], [3]], {})],
)
def test_next_to_nothing_still_gives_numbers(lists, config):
    found = SASRec({**QUICK, "epochs": 1, **config}).fit(in_turn(lists))
    assert np.isfinite(found.item_vectors).all()


@pytest.mark.parametrize("trainer", [SASRec, LightGCN])
def test_settings_that_cannot_be_are_refused(trainer):
    for config in ({"dimensions": 0}, {"no_such_thing": 1}, {"learning_rate": 0.0}, {"exact": -1}):
        with pytest.raises(ValueError, match=next(iter(config))):
            trainer(config)


def test_more_settings_that_cannot_be():
    with pytest.raises(ValueError, match="multiple of heads"):
        SASRec({"dimensions": 15, "heads": 2})
    with pytest.raises(ValueError, match="dropout"):
        SASRec({"dropout": 1.0})
    with pytest.raises(ValueError, match="temperature"):
        LightGCN({"temperature": 0.0})


def test_no_event_is_not_enough():
    with pytest.raises(NotEnoughData):
        SASRec().fit(in_turn([[], []]))


@needs_torch
def test_numbers_that_run_away_are_told():
    with pytest.raises(TrainingFailed, match="lower"):
        SASRec({**QUICK, "learning_rate": 1e30}).fit(chains(rows=30))


# --- sequences -----------------------------------------------------------------------------------

LISTS = st.lists(st.lists(st.integers(0, 9), max_size=12), min_size=1, max_size=8)


@given(lists=LISTS, window=st.integers(1, 5), repeats=st.booleans(), sizes=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_what_follows_is_of_the_next_basket_that_counts(lists, window, repeats, sizes):
    number = np.concatenate([np.arange(len(one)) // sizes for one in lists]).astype(int)
    rows = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    past = in_turn(lists, basket=rows * 100 + number)
    random = np.random.default_rng(0)
    follow = sequences.following(past, repeats=repeats)
    drawn = follow.drawn(random)
    for at, target in enumerate(drawn):
        same = (past.rows == past.rows[at]) & (past.step > past.step[at])
        if not repeats:
            before = [
                past.items[i] in past.items[:i][past.rows[:i] == past.rows[i]]
                for i in range(len(past.items))
            ]
            same &= ~np.array(before, bool)
        if not same.any():
            assert target == -1
        else:
            assert same[target]
            assert past.step[target] == past.step[same].min()
    told = list(sequences.batches(past, follow, window=window, events=4, random=random))
    assert sum(len(one.next) for one in told) == (follow.count > 0).sum()
    for one in told:
        assert one.asks.sum() == len(one.next)
        assert one.items.shape[1] <= window


def test_the_newest_events_are_asked():
    batch = sequences.newest(in_turn([[1, 2, 3, 4], [], [5]]), 3)
    assert batch.items.tolist() == [[2, 3, 4], [0, 0, 0], [5, 0, 0]]
    assert (batch.step[1] == sequences.FAR).all()


def test_what_is_held_out_is_not_learnt_from():
    past = planted_histories(shoppers=200)
    held = held_out(past, repeats=False, seed=3)
    assert len(held.rows) <= 20
    assert len(held.train.items) == len(past.items) - 2 * len(held.rows)
    assert held.wanted.multiply(held.train.sets()[held.rows]).nnz == 0
    assert held_out(planted_histories(shoppers=20), repeats=False, seed=3) is None


# --- the loss ------------------------------------------------------------------------------------


@needs_torch
@pytest.mark.parametrize("drawn", [0, 25])
def test_the_loss_and_its_gradients_are_those_of_cross_entropy(drawn, monkeypatch):
    """Of all items, or of those drawn with their weights, the right one aside."""
    from reco_plugin.trainers.deep import softmax
    from reco_plugin.trainers.deep.torches import functional, torch

    monkeypatch.setitem(softmax.SCORES, "cpu", 100)
    random = torch.Generator().manual_seed(0)
    asks, vectors = (torch.randn(n, 4, generator=random) for n in (17, 40))
    wanted = torch.randint(0, 40, (17,), generator=random)
    negatives = softmax.Negatives(np.arange(40, dtype=np.float32), drawn, "cpu") if drawn else None
    with torches.session(1, 1):
        ours = [one.clone().requires_grad_() for one in (asks, vectors)]
        loss = softmax.backward(*ours, wanted, negatives, sharpness=2.0)
    theirs = [one.clone().requires_grad_() for one in (asks, vectors)]
    scores, right = 2.0 * theirs[0] @ theirs[1].T, wanted
    if negatives is not None:
        with torches.session(1, 1):
            others = negatives.drawn()
        told = scores[:, others] + negatives.weigh[others]
        told = told.masked_fill(others[None] == wanted[:, None], -torch.inf)
        scores = torch.cat([scores.gather(1, wanted[:, None]), told], dim=1)
        right = torch.zeros_like(wanted)
    plain = functional.cross_entropy(scores, right)
    plain.backward()
    assert loss == pytest.approx(float(plain.detach()), rel=1e-5)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-6)


@needs_torch
def test_drawn_items_estimate_the_whole_loss():
    from reco_plugin.trainers.deep import softmax
    from reco_plugin.trainers.deep.torches import torch

    with torches.session(0, 1):
        asks, vectors = torch.randn(50, 4), torch.randn(300, 4)
        wanted = torch.randint(0, 300, (50,))
        negatives = softmax.Negatives(np.arange(300, dtype=np.float32), 4_000, "cpu")
        whole, drawn = (
            softmax.backward(asks.clone().requires_grad_(), vectors.clone().requires_grad_(), *told)
            for told in ((wanted,), (wanted, negatives))
        )
    assert drawn == pytest.approx(whole, abs=0.05)


# --- the graph -----------------------------------------------------------------------------------


@needs_torch
class TestLightGCN(TrainerConformance):
    trainer = LightGCN
    config = {"dimensions": 16, "epochs": 15, "learning_rate": 0.05, "pairs": 1_024}


GRAPH = TestLightGCN.config


@needs_torch
def test_blocks_are_told_apart():
    """Shoppers of five blocks take items of their own; what they have not taken of it comes first."""
    random = np.random.default_rng(0)
    rows = np.repeat(np.arange(100), 5)
    items = np.concatenate(
        [random.choice(10, 5, replace=False) * 5 + row % 5 for row in range(100)]
    )
    past = histories(rows, items, n_rows=100, n_items=50)
    found = LightGCN(GRAPH).learn(past, seed=1)
    scores = found.shopper_vectors @ found.item_vectors.T
    scores[past.sets().toarray() > 0] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :3]
    assert (best % 5 == (np.arange(100) % 5)[:, None]).mean() > 0.95
    assert np.allclose(np.linalg.norm(found.item_vectors, axis=1), 1, atol=1e-4)


@needs_torch
def test_dealt_out_items_teach_nothing():
    random = np.random.default_rng(0)
    taken = np.concatenate([random.choice(50, 10, replace=False) for _ in range(100)])
    past = histories(np.repeat(np.arange(100), 10), taken, n_rows=100, n_items=50)
    fold = folds.last_event(past)
    found = LightGCN(GRAPH).learn(fold.train, seed=1)
    scores = found.shopper_vectors[fold.shoppers] @ found.item_vectors.T
    scores[fold.requests.barred()] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :10]
    hit = np.take_along_axis(fold.wanted.toarray(), best, axis=1).sum() / len(best)
    assert hit < 0.4  # of 41 items that are left, 10 are answered: .24


@needs_torch
def test_the_graph_is_that_of_the_paper():
    from reco_plugin.trainers.deep.graph import Graph
    from reco_plugin.trainers.deep.torches import torch

    taken = sparse.csr_matrix(np.array([[1, 1, 0], [0, 1, 1]], np.float32))
    nodes = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    whole = np.zeros((5, 5))
    whole[:2, 2:] = taken.toarray()
    whole += whole.T
    scale = np.diag(whole.sum(axis=1) ** -0.5)
    step = scale @ whole @ scale
    wanted = (np.eye(5) + step + step @ step) / 3 @ nodes.numpy()
    assert np.allclose(Graph(taken, 2, "cpu").convolved(nodes).numpy(), wanted, atol=1e-5)


@needs_torch
def test_a_product_born_later_stands_among_its_like():
    dataset = planted_dataset()
    found = LightGCN(GRAPH).fit(dataset, seed=1, threads=1)
    alike = found.feature_vectors @ found.item_vectors.T
    assert (np.argmax(alike, axis=1) % 6 == np.arange(6)).all()


@needs_torch
def test_items_nobody_took_are_read_from_their_features():
    taken = np.zeros((30, 7), np.float32)
    taken[:15, [0, 2]] = taken[15:, [1, 3]] = 1
    sides = sparse.csr_matrix(np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 0, 1, 1]])
    dataset = replace(
        small_dataset(taken), item_features=Features(matrix=sides, names=("even", "odd"))
    )
    found = LightGCN(GRAPH).fit(dataset, seed=1, threads=1)
    scores = found.shopper_vectors @ found.item_vectors.T
    assert (scores[:15, 4] > scores[:15, 5]).all()
    assert (scores[15:, 4] < scores[15:, 5]).all()


def test_what_may_be_tried_of_it_are_its_own_settings():
    for name, tried in spaces.space_of("lightgcn").items():
        for value in tried.grid():
            LightGCN({name: value})


def test_it_knows_what_it_needs():
    assert LightGCN().memory_mb(planted_dataset()) > 32


# --- under the evaluator -------------------------------------------------------------------------

PAST = planted_histories(shoppers=150)


def question(name):
    protocol = protocols(0)[name]
    return Question(fold=protocol.cut(PAST), protocol=protocol, features=planted_features())


@needs_torch
@pytest.mark.parametrize("name", ["sasrec", "lightgcn"])
@pytest.mark.parametrize(
    "protocol", ["leave-last-out", "last-basket", "next-basket", "cart", "time", "next-in-visit"]
)
def test_every_question_that_makes_sense_is_answered(name, protocol, monkeypatch):
    for trainer in (SASRec, LightGCN):
        made = trainer.__init__

        def quick(self, config=None, made=made):
            made(self, {**(config or {}), "epochs": 1})

        monkeypatch.setattr(trainer, "__init__", quick)
    asked = question(protocol)
    assert name in entrants.taking_part(asked)
    found = answers(entrants.model(name, asked), asked)
    barred = asked.fold.requests.barred()
    rows, places = np.nonzero(found.lists >= 0)
    assert not barred[rows, found.lists[rows, places]].any()
    assert (found.lists[:, 0] >= 0).mean() > 0.9
    unknown = asked.fold.train.counts() == 0
    assert not unknown[found.lists[rows, places]].any()


def test_of_new_items_they_know_nothing():
    assert not {"sasrec", "lightgcn"} & set(entrants.taking_part(question("new-items")))


# --- without torch -------------------------------------------------------------------------------


def test_without_torch_they_stay_away_and_say_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not {"sasrec", "lightgcn"} & set(entrants.taking_part(question("leave-last-out")))
    told = entrants.lacking(["sasrec", "ease"])
    assert list(told) == ["sasrec"]
    assert "django-reco-plugin[deep]" in told["sasrec"]
    for fit in (
        lambda: SASRec().fit(PAST),
        lambda: LightGCN().learn(PAST),
        lambda: registry.demand_installed("lightgcn"),
    ):
        with pytest.raises(TrainingFailed, match=r"torch is not installed.*\[deep\]"):
            fit()
    assert registry.get("lightgcn") is LightGCN
    monkeypatch.undo()
    assert entrants.lacking(["sasrec"]) == ({} if torches.is_installed() else told)


def test_nothing_imports_torch_before_it_learns():
    code = (
        "import sys; from reco_plugin.evaluation import entrants; "
        "from reco_plugin.trainers import registry; registry.get('lightgcn')({}); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_mapped_as_a_library_does_not_count_and_the_bound_holds():
    """A bound in MiB is of what learning takes, not of the gigabytes that torch maps."""
    pytest.importorskip("resource")
    code = (
        "import mmap; from reco_plugin.children import life; life.limit_memory(100)\n"
        "with life.libraries():\n    mapped = mmap.mmap(-1, 1 << 30)\n"
        "room = bytearray(50 << 20)\n"
        "try:\n    bytearray(500 << 20)\nexcept MemoryError:\n    raise SystemExit(7)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7
