"""The evaluator: what a broken trainer gives away, what nobody can peek at, and what a process of its own answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from reco_plugin.evaluation import drawing, entrants, packing, process, sanity, slices, telling
from reco_plugin.evaluation import statement as statements
from reco_plugin.evaluation.contract import Model, Sort, best, ranked
from reco_plugin.evaluation.judging import Background, judged, whole
from reco_plugin.evaluation.log import Log
from reco_plugin.evaluation.measuring import Answers, Question, answers, tuned
from reco_plugin.evaluation.protocols import drawn, protocols
from reco_plugin.evaluation.verdicts import full_lines
from reco_plugin.testing.neighbours import planted_features, planted_histories
from reco_plugin.trainers.histories import histories

PAST = planted_histories(shoppers=150)
PROTOCOL = protocols(0)["leave-last-out"]
QUESTION = Question(fold=PROTOCOL.cut(PAST), protocol=PROTOCOL, features=planted_features())


def asked(name, question=QUESTION):
    return answers(entrants.model(name, question), question)


def measured(model, answer, question=QUESTION):
    fold = question.fold
    return judged(model.name, answer.lists, fold, 10, fit_s=0, ms=0, sort=model.sort)


def broken(name, score):
    """A model of ours whose scores are `score(fold, rows)`."""
    return Model(
        name=name,
        build=lambda fold, _: ranked(fold, lambda rows: score(fold, rows)),
        sort=Sort.SINGLE,
    )


CHANCE = measured(entrants.model("chance", QUESTION), asked("chance"))

# --- broken trainers -----------------------------------------------------------------------------


def doubts_of(model, question=QUESTION):
    answer = answers(model, question)
    return sanity.doubts(measured(model, answer, question), answer.lists, CHANCE)


def test_constant_scores_are_seen_through():
    found = doubts_of(broken("constant", lambda fold, rows: np.ones((len(rows), 60))))
    assert any("same to everybody" in words for words in found)


def test_scores_the_wrong_way_round_are_seen_through():
    def reversed_scores(fold, rows):
        from reco_plugin.trainers.sequential import SequentialRules

        found = SequentialRules().fit(fold.train).score(fold.requests.past.select(rows))
        return -found.toarray()

    assert any("wrong way" in words for words in doubts_of(broken("reversed", reversed_scores)))


def test_one_that_peeks_is_too_good_to_be_true_and_finds_nothing_in_the_file(tmp_path):
    peeking = broken("peeking", lambda fold, rows: fold.wanted[rows].toarray())
    assert any("nearly every time" in words for words in doubts_of(peeking))
    packing.save_fold(tmp_path / "fold.npz", QUESTION.fold, None)
    fold, _ = packing.load_fold(tmp_path / "fold.npz")
    assert fold.wanted.nnz == 0
    answer = answers(peeking, replace(QUESTION, fold=fold))
    assert measured(peeking, answer).mean("recall") < 0.3


@pytest.mark.parametrize("name", ["sequential", "itemknn", "ease", "visits", "content"])
def test_honest_models_raise_no_doubt(name):
    assert doubts_of(entrants.model(name, QUESTION)) == []


@pytest.mark.parametrize("name", ["sequential", "itemknn", "ease", "visits"])
def test_shuffled_answers_fall_to_chance(name):
    """Whatever a model knows, it cannot know answers that were dealt out at random."""
    fold = QUESTION.fold
    random = np.random.default_rng(5)
    free = ~fold.requests.barred()
    items = [int(random.choice(np.flatnonzero(row))) for row in free]
    dealt = sparse.csr_matrix(
        (np.ones(len(items)), (np.arange(len(items)), items)), fold.wanted.shape
    )
    lists = asked(name).lists
    honest = judged(name, lists, fold, 10, fit_s=0, ms=0).mean("recall")
    shuffled = judged(name, lists, replace(fold, wanted=dealt), 10, fit_s=0, ms=0).mean("recall")
    even = 10 / free.sum(axis=1).mean()
    assert honest > 3 * even
    assert shuffled < even + 0.1


def test_what_may_not_be_answered_is_refused():
    lists = np.full((len(QUESTION.fold.requests), 10), -1, np.int32)
    sanity.demand_allowed(lists, QUESTION.fold)
    lists[0, 0] = QUESTION.fold.requests.exclude[0].indices[0]
    with pytest.raises(ValueError, match="may not be answered"):
        sanity.demand_allowed(lists, QUESTION.fold)
    free = int(np.flatnonzero(~QUESTION.fold.requests.barred()[1])[0])
    lists[0, 0], lists[1, :2] = -1, free
    with pytest.raises(ValueError, match="twice"):
        sanity.demand_allowed(lists, QUESTION.fold)


# --- the parts -----------------------------------------------------------------------------------


def test_a_fold_comes_back_from_its_file_as_it_went_in(tmp_path):
    for name in ("time", "cart", "next-in-visit"):
        fold = protocols(0)[name].cut(PAST)
        packing.save_fold(tmp_path / "fold.npz", fold, planted_features())
        found, features = packing.load_fold(tmp_path / "fold.npz")
        assert np.array_equal(found.train.items, fold.train.items)
        assert np.array_equal(found.requests.past.starts, fold.requests.past.starts)
        assert (found.requests.here is None) == (fold.requests.here is None)
        assert np.array_equal(found.requests.now, fold.requests.now)
        assert np.array_equal(found.requests.barred(), fold.requests.barred())
        assert features.names == planted_features().names


def test_answers_come_back_from_their_file(tmp_path):
    found = asked("popularity")
    told = packing.save_answers(tmp_path / "answers.npz", found)
    again = packing.load_answers(tmp_path / "answers.npz", told)
    assert isinstance(again, Answers)
    assert np.array_equal(again.lists, found.lists)
    assert np.array_equal(again.whole, found.whole)


def test_a_process_of_its_own_answers_the_same(tmp_path):
    with process.prepared(QUESTION, tmp_path) as place:
        found = process.answers("sequential", QUESTION, place, timeout=300)
        with pytest.raises(ValueError, match="no model 'magic'"):
            process.answers("magic", QUESTION, place, timeout=300)
    assert np.array_equal(found.lists, asked("sequential").lists)
    assert found.memory_mb is None or found.memory_mb > 10
    assert list(tmp_path.iterdir()) == []


def test_settings_are_chosen_on_the_inner_cut():
    grid = (1.0, -1.0)
    model = Model(
        name="signed",
        build=lambda fold, sign: ranked(
            fold,
            lambda rows: (
                sign
                * fold.requests.past.select(rows).sets()
                @ (fold.train.sets().T @ fold.train.sets())
            ).toarray(),
        ),
        grid=grid,
    )
    assert tuned(model, QUESTION) == 1.0
    assert tuned(replace(model, grid=grid[::-1]), QUESTION) == 1.0


def test_auc_of_lists_to_their_end_is_that_of_the_scores():
    fold = QUESTION.fold
    rows = QUESTION.sample
    answer = asked("chance")
    assert whole(answer.whole, fold.select(rows)).mean() == pytest.approx(0.5, abs=0.06)
    knows = asked("itemknn")
    assert np.nanmean(whole(knows.whole, fold.select(rows))) > 0.8


def test_the_best_first_and_nothing_that_is_barred():
    scores = np.array([[1.0, 3.0, -np.inf, 2.0], [-np.inf] * 4])
    assert best(scores, 5).tolist() == [[1, 3, 0, -1, -1], [-1] * 5]


def test_all_figures_are_judged_and_the_lines_are_in_order():
    background = Background(
        features=planted_features().matrix,
        categories=planted_features().matrix,
        expected=asked("popularity").lists,
    )
    found = [
        judged(
            name, asked(name).lists, QUESTION.fold, 10, fit_s=1, ms=1, background=background,
            sort=entrants.model(name, QUESTION).sort,
        )
        for name in ("chance", "sequential", "popularity")
    ]  # fmt: skip
    lines = full_lines(found, PROTOCOL, seed=0)
    assert lines[0]["name"] == "sequential"
    assert lines[0]["ratio"] == 1
    assert lines[1]["ratio_high"] < 1
    for name in (*telling.BEYOND, *telling.COLUMNS):
        if name not in ("auc", "memory_mb"):
            assert np.isfinite(lines[0][name]), name
    assert "holds" not in lines[0]
    popular = next(line for line in lines if line["name"] == "popularity")
    assert popular["serendipity"] == 0


def test_where_the_best_single_one_finds_nothing_a_ratio_is_none_and_no_infinity():
    rows = np.arange(4)
    lists = {
        "nothing": np.full((4, 10), -1, np.int32),
        "something": np.where(np.arange(10) == 0, QUESTION.fold.wanted[rows].argmax(axis=1), -1),
    }
    fold = QUESTION.fold.select(rows)
    found = [
        judged(name, one.astype(np.int32), fold, 10, fit_s=1, ms=1, own=name == "something")
        for name, one in lists.items()
    ]
    lines = full_lines(found, PROTOCOL, seed=0)
    assert lines[0]["name"] == "something"
    assert lines[0]["ratio"] is None
    assert json.dumps(lines, allow_nan=False)
    assert telling.ratio(lines[0]) == telling.NOTHING
    assert telling.summary({"models": lines, "metric": "ndcg@10"}).startswith("something leads")


def test_requests_are_drawn_by_seed():
    fold = QUESTION.fold
    few = drawn(fold, 20, 3)
    assert len(few.requests) == 20
    assert np.array_equal(few.wanted.indices, drawn(fold, 20, 3).wanted.indices)
    assert drawn(fold, 0, 3) is fold


# --- slices --------------------------------------------------------------------------------------


def test_slices_are_of_their_requests_and_small_ones_say_so():
    lengths = np.array([1] * 30 + [3] * 40 + [9] * 30)
    rows = np.repeat(np.arange(100), lengths + 1)
    items = np.concatenate([np.arange(length + 1) for length in lengths])
    past = histories(rows, items, n_rows=100, n_items=10, at=np.arange(len(rows)))
    fold = PROTOCOL.cut(past)
    parts = {part.name.split(" ")[0]: part for part in slices.of_shoppers(fold)}
    before = fold.requests.past.lengths
    assert (before[parts["new"].rows] <= 2).all()
    assert before[parts["light"].rows].max() < before[parts["heavy"].rows].min()
    one = judged("one", np.zeros((len(before), 10), np.int32), fold, 10, fit_s=0, ms=0)
    few = slices.Part(by="x", name="few", rows=np.arange(len(before)) < slices.FEWEST - 1)
    all_of_them = slices.Part(by="x", name="all", rows=np.ones(len(before), bool))
    told = list(slices.figures(one, fold, [few, all_of_them], PROTOCOL))
    assert told[0]["words"] == slices.TOO_FEW
    assert told[0]["n"] is None
    assert told[1]["n"] == len(before)
    assert told[1]["recall"]["mean"] == pytest.approx(one.mean("recall"), abs=1e-4)


def test_the_head_has_four_fifths_of_the_events():
    fold = QUESTION.fold
    head, tail, new = slices.of_products(fold, new=np.zeros(60, bool))
    counts = np.bincount(fold.train.items, minlength=60)
    wanted = np.unique(fold.wanted[head.rows].indices)
    assert head.rows.sum() + tail.rows.sum() == len(fold.requests)
    assert counts[wanted].min() >= np.quantile(counts, 0.1)
    assert not new.rows.any()


def test_labels_nobody_knows_are_in_no_slice():
    found = slices.of_labels("device", ["phone", "", "phone", "desk"])
    assert [(part.name, part.rows.tolist()) for part in found] == [
        ("phone", [True, False, True, False]),
        ("desk", [False, False, False, True]),
    ]


# --- bad input -----------------------------------------------------------------------------------


def log(rows, items, at=None, n_items=8, **told):
    n_rows = int(max(rows)) + 1
    past = histories(np.array(rows), np.array(items), n_rows=n_rows, n_items=n_items, at=at)
    return Log(past=past, items=np.arange(n_items), **told)


@pytest.mark.parametrize(
    ("protocol", "told", "words"),
    [
        ("time", log([0, 0, 0], [0, 1, 2]), "the log has no times"),
        ("last-basket", log([0, 0, 0], [0, 1, 2]), "belong to one basket"),
        ("new-items", log([0, 0, 0], [0, 1, 2]), "nothing is known of the items"),
        ("leave-last-out", log([0, 1, 2], [0, 1, 2]), "no shopper has more than one event"),
    ],
)
def test_what_cannot_be_measured_is_said_and_why(protocol, told, words):
    assert words in statements.cannot(told, protocols(0)[protocol])


def test_fifty_rows_ties_and_what_is_gone_are_told_of():
    rows = np.repeat(np.arange(10), 5)
    told = log(
        rows.tolist(),
        np.tile(np.arange(5), 10).tolist(),
        at=np.repeat(np.arange(10), 5) * 1_000_000,
        ties=0.8,
        gone=3,
        read=60,
        dropped={"in the future": 10},
    )
    said = " ".join(statements.remarks(told, PROTOCOL, PROTOCOL.cut(told.past)))
    assert "Only 10 requests" in said
    assert "80%" in said
    assert "3 items cannot be bought any more" in said
    assert "10 in the future" in said


# --- drawing -------------------------------------------------------------------------------------


def test_a_chart_is_escaped_and_says_its_figures():
    chart = drawing.BarChart(
        name="a",
        title="<b>",
        bars=[drawing.Bar(name="<i>", value=0.5, low=0.4, high=0.6, stands_out=True)],
        words=telling.number,
    )
    assert "<b>" not in chart.svg
    assert "<i>" not in chart.svg
    assert "&lt;i&gt; 0.5" in chart.svg
    assert "reco-bar-live" in chart.svg
    assert drawing.BarChart(name="b", title="", bars=(), words=telling.number).svg == ""


def test_events_all_at_one_moment_leave_nobody_to_ask():
    told = log([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2], at=np.full(6, 7))
    fold = protocols(0)["time"].cut(told.past)
    assert len(fold.requests) == 0
    assert "after the cut no shopper" in statements.empty(protocols(0)["time"])
