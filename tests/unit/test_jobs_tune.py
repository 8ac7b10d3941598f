"""What a tuning tries, and on what; a study that proposes and remembers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.datasets import EventLog, build_reported, features_of
from reco_plugin.datasets.weights import EventWeights
from reco_plugin.jobs.evaluate import TEST_SHARE
from reco_plugin.jobs.material import Material
from reco_plugin.jobs.tune import Options, verdict
from reco_plugin.jobs.tune_folds import known_part
from reco_plugin.jobs.tune_study import FAILED, FINISHED, PRUNED, Study, Tried
from reco_plugin.jobs.tuned import of
from reco_plugin.trainers.lightfm import LightFM
from reco_plugin.trainers.spaces import LIGHTFM, Choice, Real, Whole, space_of
from reco_plugin.types import CatalogItem, EventKind, id_map

DAY = 86_400_000_000
SPACE = {
    "trainer.rate": Real(low=0.001, high=0.1, log=True),
    "trainer.size": Whole(low=4, high=64, log=True),
    "trainer.loss": Choice(values=("warp", "bpr")),
}


def log_of(events: list[tuple[int, int, int]]) -> EventLog:
    """(shopper, item, day) rows."""
    table = np.asarray(events, dtype=np.int64).reshape(-1, 3)
    return EventLog(
        shopper=table[:, 0].astype(np.int32),
        item=table[:, 1].astype(np.int32),
        kind=np.ones(len(table), np.uint8),
        at=table[:, 2] * DAY + np.arange(len(table)),
        quantity=np.ones(len(table), np.int32),
        rating=np.full(len(table), np.nan, np.float32),
        shoppers=id_map(list(range(9))),
        items=id_map(list(range(20))),
        read=len(table),
    )


def material(log: EventLog) -> Material:
    features = features_of([CatalogItem(key=at) for at in range(20)])
    built = build_reported(log, item_features=features)
    return Material(
        log=log,
        features=features,
        whole=built.dataset,
        quality=built.report,
        weights=EventWeights(),
    )


def day_events() -> st.SearchStrategy[list[tuple[int, int, int]]]:
    row = st.tuples(st.integers(0, 8), st.integers(0, 19), st.integers(1, 90))
    return st.lists(row, min_size=10, max_size=80)


@settings(max_examples=30)
@given(day_events(), st.integers(1, 3), st.randoms())
def test_the_test_period_may_be_anything_and_nothing_of_it_is_seen(rows, folds, random):
    log = log_of(rows)
    clean = known_part(material(log), folds)
    late = log.at >= clean.until
    poisoned = replace(
        log,
        item=np.where(late, random.randrange(20), log.item).astype(np.int32),
        shopper=np.where(late, random.randrange(9), log.shopper).astype(np.int32),
    )
    other = known_part(material(poisoned), folds)
    assert other.until == clean.until
    for one, two in zip(
        (clean.material.log, *clean.folds), (other.material.log, *other.folds), strict=True
    ):
        np.testing.assert_array_equal(one.item, two.item)
        np.testing.assert_array_equal(one.shopper, two.shopper)
        assert one.at.max(initial=0) < clean.until
    assert (clean.material.whole.interactions != other.material.whole.interactions).nnz == 0


@settings(max_examples=30)
@given(day_events(), st.integers(1, 4))
def test_folds_grow_and_their_blocks_do_not_overlap(rows, folds):
    past = known_part(material(log_of(rows)), folds)
    sizes = [len(fold) for fold in past.folds]
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(past.material.log)
    for smaller, larger in zip(past.folds, past.folds[1:], strict=False):
        block = round(len(larger) * TEST_SHARE)
        assert len(smaller) <= len(larger) - block + 1


def test_an_earlier_moment_may_be_given_and_is_kept():
    past = known_part(material(log_of([(n % 9, n % 20, n + 1) for n in range(60)])), 2)
    import datetime as dt

    at = dt.datetime.fromisoformat(past.as_json()["until"])
    again = known_part(material(log_of([(n % 9, n % 20, n + 1) for n in range(90)])), 2, at)
    np.testing.assert_array_equal(again.material.log.at, past.material.log.at)


def test_names_of_a_study_become_settings():
    found = of(
        {
            "trainer.dimensions": 32,
            "features.item_features": False,
            "weights.view_item": 0.5,
            "decay.half_life_days": 30.0,
        },
        7,
    )
    assert found.config() == {"dimensions": 32, "item_features": False}
    assert found.weights().weights[EventKind.VIEW_ITEM] == 0.5
    assert found.weights().half_life_days == 30
    assert of({}).weights() == EventWeights.from_settings()


def test_a_space_is_wide_enough_for_what_is_in_force():
    assert Real(low=0.1, high=1.0).including(2.0).high == 2.0
    assert Whole(low=8, high=64).including(4).low == 4
    assert Choice(values=(1, 2)).including(3).values == (1, 2, 3)
    assert space_of("lightfm") is LIGHTFM
    assert all(dimension.grid() for dimension in LIGHTFM.values())


def test_lightfm_takes_whatever_its_space_offers():
    for name, dimension in LIGHTFM.items():
        for value in dimension.grid():
            assert getattr(LightFM({name: value}).config, name) == value


def test_neither_minutes_nor_trials_is_refused():
    with pytest.raises(ValueError, match="never end"):
        Options(minutes=0)


def finished(number: int, value: float, difference: float = 0.0, error: float = 0.001) -> Tried:
    return Tried(
        number=number,
        params={},
        state=FINISHED,
        value=value,
        difference=difference,
        error=error,
    )


def test_the_best_of_many_must_be_better_than_the_luckiest_of_so_many():
    base, better = finished(0, 0.1), finished(1, 0.1025, 0.0025)
    assert verdict([base, better]).passed is True
    many = [finished(number, 0.09) for number in range(2, 200)]
    assert verdict([base, better, *many]).passed is False


def test_nothing_better_is_told():
    assert "none of 1" in verdict([finished(0, 0.1), finished(1, 0.05, -0.05)]).words
    assert verdict([finished(0, 0.1)]).passed is False


# --- with Optuna ---------------------------------------------------------------------------------


def proposals(sampler: str, seed: int, count: int = 6, past: list[Tried] | None = None) -> list:
    pytest.importorskip("optuna")
    study = Study(SPACE, sampler=sampler, seed=seed, past=past or [])
    found = []
    for number in range(count):
        trial = study.ask()
        told = Tried(number=number, params=dict(trial.params), state=FINISHED, value=number / 10)
        found.append(study.tell(trial, told))
    return found


@pytest.mark.parametrize("sampler", ["random", "tpe", "grid"])
def test_a_seed_repeats_itself(sampler):
    one, again, other = (proposals(sampler, seed) for seed in (1, 1, 2))
    assert [tried.params for tried in one] == [tried.params for tried in again]
    assert [tried.params for tried in one] != [tried.params for tried in other]


def test_what_was_tried_before_is_known_and_not_tried_again_by_a_grid():
    pytest.importorskip("optuna")
    space = {"trainer.loss": Choice(values=("warp", "bpr", "logistic"))}
    study = Study(space, sampler="grid", seed=0)
    first = study.tell(
        trial := study.ask(), Tried(number=0, params=dict(trial.params), state=FINISHED, value=0.1)
    )
    rest = Study(space, sampler="grid", seed=0, past=[first])
    seen = [first.params["trainer.loss"]]
    while (trial := rest.ask()) is not None:
        seen.append(trial.params["trainer.loss"])
        rest.tell(trial, Tried(number=1, params=dict(trial.params), state=FINISHED, value=0.1))
    assert sorted(seen) == ["bpr", "logistic", "warp"]


def test_the_first_may_be_given_and_failed_and_pruned_ones_are_remembered():
    pytest.importorskip("optuna")
    study = Study(SPACE, sampler="tpe", seed=0)
    given = {"trainer.rate": 0.03, "trainer.size": 16, "trainer.loss": "bpr"}
    study.first(given)
    trial = study.ask()
    assert trial.params == given
    for state in (FAILED, PRUNED, FINISHED):
        value = 0.1 if state == FINISHED else None
        told = Tried(number=0, params=given, state=state, value=value, folds=[0.1])
        assert Study(SPACE, sampler="tpe", seed=0, past=[told]).ask().params


def test_what_is_below_the_median_of_the_others_is_hopeless():
    pytest.importorskip("optuna")
    past = [
        Tried(number=n, params=p, state=FINISHED, value=0.1, folds=[0.1, 0.1])
        for n, p in enumerate(tried.params for tried in proposals("random", 0))
    ]
    study = Study(SPACE, sampler="random", seed=0, past=past)
    assert study.is_hopeless(study.ask(), 0, 0.05)
    assert not study.is_hopeless(study.ask(), 0, 0.2)


def test_a_sampler_there_is_not():
    pytest.importorskip("optuna")
    with pytest.raises(ValueError, match="tpe, random, grid"):
        Study(SPACE, sampler="magic", seed=0)


def test_without_optuna_the_extra_is_named(monkeypatch):
    from reco_plugin.exceptions import TrainingFailed

    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(TrainingFailed, match=r"django-reco-plugin\[tune\]"):
        Study(SPACE, sampler="tpe", seed=0)
