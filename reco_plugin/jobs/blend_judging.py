"""The lists a page would make with the blend, beside those it makes without, on a time neither had seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reco_plugin import conf
from reco_plugin.datasets import build
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import artefacts, blend_gates, gates
from reco_plugin.jobs.behaviour_events import events_of
from reco_plugin.jobs.blend_material import Material
from reco_plugin.jobs.blend_trial import Then, lists
from reco_plugin.jobs.evaluate import PROTOCOL, Period, difference, period
from reco_plugin.jobs.gates import Gate
from reco_plugin.jobs.histories import moment
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.work import Work
from reco_plugin.jobs.trial import K, Trial, popular_lists
from reco_plugin.metrics import Report, ndcg_at_k
from reco_plugin.metrics import evaluate as judge
from reco_plugin.metrics.paired import difference_interval
from reco_plugin.models import Run
from reco_plugin.ranking.served import Served
from reco_plugin.trainers import process
from reco_plugin.trainers.behaviour import configs, count
from reco_plugin.trainers.related import RelatedLists
from reco_plugin.types import Ints

MOST_SHOPPERS = 2_000
"""Most shoppers whose lists are made, a seeded sample of those there are."""
DAY = 86_400_000_000
"""Microseconds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """The figures, and what follows from them."""

    metrics: dict[str, Any]
    gates: list[Gate]


UNMEASURED = Verdict(metrics={"notes": []}, gates=[blend_gates.UNMEASURED])
"""Where nobody asked whether it is better."""


def judged(material: Material, blend: Served, seed: int, work: Work) -> Verdict:
    """Judge `blend`, learnt from what came before the moment, on what came after it."""
    test = _sample(period(material.past, material.future, material.moment, seed), seed)
    popular = popular_lists(material.past, test.sample)
    notes: list[str] = []
    then = _then(material, seed, work, notes)
    found = {
        "blend": lists(replace(then, blend=blend), test, popular, _telling(work, "blended")),
        "weights": lists(then, test, popular, _telling(work, "by fixed weights")),
        "popularity": popular,
    }
    reports = {name: judge(each, test.wanted) for name, each in found.items()}
    return Verdict(
        metrics={
            "k": K,
            "protocol": PROTOCOL,
            "at": moment(material.moment).isoformat(),
            "shoppers": len(test.sample.shoppers),
            "served": "blend",
            "results": {name: report.as_dict() for name, report in reports.items()},
            "notes": notes,
        },
        gates=_verdicts(found, reports, test, len(material.log.items), seed),
    )


def _verdicts(
    found: Mapping[str, Ints],
    reports: Mapping[str, Report],
    test: Period,
    items: int,
    seed: int,
) -> list[Gate]:
    ours, theirs = (ndcg_at_k(found[name], test.wanted) for name in ("blend", "weights"))
    apart = difference_interval(ours, theirs, confidence=blend_gates.SURE, seed=seed)
    return [
        blend_gates.better(reports["blend"].ndcg.mean, reports["weights"].ndcg.mean, apart),
        gates.not_worse_than_popular(difference(found["blend"], found["popularity"], test.wanted)),
        *gates.breadth(found["blend"], items, gates.limits()),
    ]


def _sample(whole: Period, seed: int) -> Period:
    n = len(whole.sample.shoppers)
    if n <= MOST_SHOPPERS:
        return whole
    rows = np.sort(np.random.default_rng(seed).choice(n, MOST_SHOPPERS, replace=False))
    kept = replace(whole.sample, shoppers=whole.sample.shoppers[rows], seen=whole.sample.seen[rows])
    return replace(whole, sample=kept, wanted=whole.wanted[rows])


# --- what is served without a blend --------------------------------------------------------------


def _then(material: Material, seed: int, work: Work, notes: list[str]) -> Then:
    live = active_run(work.site, "personal")
    trial = None
    if live is not None:
        try:
            trial = _personal(material, live, seed, work)
        except RecoError as error:
            notes.append(f"Judged without the shoppers' vectors: {error}")
    return Then(behaviour=_behaviour(material), trial=trial, way=dict(live.config) if live else {})


def _behaviour(material: Material) -> dict[str, RelatedLists]:
    """The lists a behaviour run of then would have had."""
    days, log = conf.settings.BEHAVIOUR_DAYS, material.past
    if days > 0:
        log = log.select(log.at >= material.moment - days * DAY)
    ranked = configs(
        {
            "shoppers": conf.settings.MIN_PAIR_SHOPPERS,
            "support": conf.settings.MIN_SUPPORT,
            "confidence": conf.settings.MIN_CONFIDENCE,
        }
    )
    counted = count(events_of(log))
    wanted = ("bought_bought", "viewed_viewed")
    return {name: counted[name].lists(ranked[name]) for name in wanted}


def _personal(material: Material, live: Run, seed: int, work: Work) -> Trial:
    """As the live personal run would have learnt then, for as long as it did. Raises RecoError."""
    config = dict(live.config.get("trainer") or {})
    if epochs := live.config.get("epochs"):
        config["epochs"] = epochs
    dataset = build(material.past, item_features=material.features)
    learnt = process.run(
        live.trainer,
        config,
        dataset,
        seed=seed,
        threads=conf.settings.TRAIN_THREADS,
        timeout=conf.settings.TRAIN_TIMEOUT,
        memory_mb=conf.settings.TRAIN_MEMORY_MB,
        folder=artefacts.folder(),
        progress=work.progress,
    )
    return Trial.of(dataset, learnt, learnt_at=material.moment)


def _telling(work: Work, name: str) -> Any:
    return lambda done, total: work.progress(name, done, total)
