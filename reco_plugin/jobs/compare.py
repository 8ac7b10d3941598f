"""Every trainer and source side by side on the shop's own log, kept as a run of kind 'comparison'.

All learn from the same part of the log, are asked the same requests under serving's exclusions, and rank all that
may be answered. Each is fitted in a process of its own; one that cannot learn from this log is told of, and does
not stop the others. Nothing that is live is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from reco_plugin import conf
from reco_plugin.evaluation import entrants, process, sanity, slices, statement, verdicts
from reco_plugin.evaluation.contract import Lists, Sort
from reco_plugin.evaluation.judging import Background, Measured, judged, whole
from reco_plugin.evaluation.measuring import Answers, Question
from reco_plugin.evaluation.models import CHANCE, POPULARITY
from reco_plugin.evaluation.protocols import Protocol, protocols
from reco_plugin.evaluation.slices import Part
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import comparison_log, comparison_slices
from reco_plugin.jobs.artefacts import folder
from reco_plugin.jobs.comparison_log import Asked, Shop, Told
from reco_plugin.jobs.comparison_personal import BLENDED, OURS, PERSONAL, Personal
from reco_plugin.jobs.histories import moment
from reco_plugin.jobs.prune import tidy
from reco_plugin.jobs.publish import save
from reco_plugin.jobs.record import begin, outcome, reconnect, recorded, stage
from reco_plugin.jobs.running.now import run_now
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import COMPARISON, ActiveRun, Run, RunStatus
from reco_plugin.stores.base import Progress

PROTOCOL = "time"
SHOPPERS = 2_000
"""Requests asked, unless said otherwise: a seeded draw."""
LIVE = {PERSONAL: "personal", POPULARITY: "popular", "trending": "trending", BLENDED: "blend"}
"""Model → the kind of run that serves it."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to compare, and how."""

    protocol: str = PROTOCOL
    models: tuple[str, ...] = ()
    """By name; all that can answer, by default."""
    peers: bool = True
    k: int = 0
    """Of hit rate and MRR; the protocol's, by default."""
    limit_shoppers: int = SHOPPERS
    """Most requests asked, drawn by seed; 0: all."""
    seed: int = 0
    threads: int = 1
    by: tuple[str, ...] = ()
    """Fields of the user model to slice by, e.g. 'country'."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Raises TypeError for an option there is not, ValueError for a protocol there is not or a number below 0."""
        plain = {"threads": conf.settings.TRAIN_THREADS, **given}
        for name in ("models", "by"):
            plain[name] = tuple(plain.get(name) or ())
        found = cls(**plain)
        found.asked()
        for name in ("k", "limit_shoppers"):
            if getattr(found, name) < 0:
                raise ValueError(f"{name} is {getattr(found, name)}; give 0 or more.")
        return found

    def asked(self) -> Protocol:
        """The protocol. Raises ValueError."""
        known = protocols(self.seed)
        if self.protocol not in known:
            raise ValueError(f"There is no protocol {self.protocol!r}: {', '.join(known)}.")
        found = known[self.protocol]
        return replace(found, k=self.k) if self.k else found


def compare(site: int = 1, *, progress: Progress | None = None, **options: Any) -> Run:
    """Compare now. Raises AlreadyRunning, ValueError for a protocol or a model there is not.

    The run is PUBLISHED with `metrics`, REJECTED where this log cannot answer (`gates` say why), or FAILED.
    """
    checked = Options.of(options)
    _demand(checked.models)
    return run_now("compare", site, asdict(checked), progress)


def preview(
    site: int = 1, *, progress: Progress | None = None, **options: Any
) -> list[dict[str, Any]]:
    """Of each protocol, can this log answer it, and what is there to say? Fits nothing, writes nothing."""
    shop = comparison_log.read(site, progress)
    return [_previewed(shop, Options.of({**options, "protocol": name})) for name in protocols(0)]


def _previewed(shop: Shop, options: Options) -> dict[str, Any]:
    protocol = options.asked()
    told, asked = cut(shop, protocol, options)
    words = (
        [why_not(told, protocol, shop)]
        if asked is None
        else statement.remarks(told.log, protocol, asked.fold) + lost_words(asked)
    )
    return {
        "protocol": protocol.name,
        "question": protocol.question,
        "can": asked is not None,
        "words": words,
    }


def work(work: Work) -> dict[str, Any]:
    """The job 'compare'."""
    options = Options.of(work.options)
    run = begin(work.site, COMPARISON, "compare", asdict(options))
    work.report["run"] = run.pk
    with recorded(run, work.stages, fence=work.fence):
        _compare(run, options, work)
    report = outcome(run)
    with work.stage("tidy"):
        tidy(work.site, COMPARISON)
    return report


def _compare(run: Run, options: Options, work: Work) -> None:
    protocol = options.asked()
    with stage(run, work, "read"):
        shop = comparison_log.read(run.site, work.progress)
        told, asked = cut(shop, protocol, options)
    if asked is None:
        _refuse(run, told, protocol, shop)
        return
    parts = comparison_slices.parts(shop, asked, options.by)  # what is wrong in it is said at once
    run.dataset = _sizes(shop, asked)
    question = Question(
        fold=asked.fold,
        protocol=protocol,
        features=shop.material.features,
        seed=options.seed,
        threads=options.threads,
    )
    with stage(run, work, "compare"):
        found, failed = _measured(shop, asked, question, options, work)
    reconnect()
    lines = verdicts.full_lines(found, protocol, seed=options.seed)
    run.metrics = {
        **_told(protocol, asked, question),
        "statement": statement.remarks(told.log, protocol, asked.fold)
        + lost_words(asked)
        + comparison_slices.lacking(parts, options.by),
        "models": lines,
        "failed": failed,
        "slices": _slices(asked, found, protocol, parts, options.seed),
    }
    run.status = RunStatus.PUBLISHED
    save(run, work.fence)


def cut(shop: Shop, protocol: Protocol, options: Options) -> tuple[Told, Asked | None]:
    """What the protocol looks at, and the cut of it; None where this log cannot answer."""
    told = comparison_log.told(shop, protocol)
    if statement.cannot(told.log, protocol, shop.material.features):
        return told, None
    asked = comparison_log.cut(shop, told, protocol, most=options.limit_shoppers, seed=options.seed)
    return told, asked if len(asked.fold.requests) and len(asked.fold.train.items) else None


def why_not(told: Told, protocol: Protocol, shop: Shop) -> str:
    """Why `cut` came to nothing."""
    refusal = statement.cannot(told.log, protocol, shop.material.features)
    return refusal or statement.empty(protocol)


def _refuse(run: Run, told: Told, protocol: Protocol, shop: Shop) -> None:
    words = why_not(told, protocol, shop)
    run.gates = [{"name": "log", "passed": False, "words": words, "value": None, "limit": None}]
    run.metrics = {"protocol": protocol.name, "question": protocol.question, "cannot": words}
    run.status = RunStatus.REJECTED


def lost_words(asked: Asked) -> list[str]:
    """What was wanted after the cut and is not looked for."""
    if not asked.lost:
        return []
    told = ", ".join(f"{count:,} {why}" for why, count in asked.lost.items())
    return [f"Wanted after the cut and not looked for: {told}."]


def _sizes(shop: Shop, asked: Asked) -> dict[str, Any]:
    return {
        "window_days": conf.settings.WINDOW_DAYS,
        "events": len(shop.log),
        "shoppers": len(shop.log.shoppers),
        "items": len(shop.log.items),
        "learnt_from": len(asked.fold.train.items),
        "quality": shop.material.quality.as_dict(),
    }


def _told(protocol: Protocol, asked: Asked, question: Question) -> dict[str, Any]:
    now = asked.fold.requests.now
    return {
        "protocol": protocol.name,
        "question": protocol.question,
        "words": protocol.words,
        "metric": verdicts.column(protocol),
        "k": protocol.k,
        "at": moment(int(now.min())).isoformat() if now is not None and len(now) else None,
        "requests": len(asked.fold.requests),
        "candidates": int(asked.fold.requests.eligible.sum())
        if asked.fold.requests.eligible is not None
        else asked.fold.train.n_items,
        "seed": question.seed,
    }


# --- the models ----------------------------------------------------------------------------------


def _measured(
    shop: Shop, asked: Asked, question: Question, options: Options, work: Work
) -> tuple[list[Measured], dict[str, str]]:
    """Each model judged, and why those failed that did."""
    live = _live(work.site)
    names = chosen(question, options)
    found: dict[str, tuple[Sort, Answers]] = {}
    failed = entrants.lacking(options.models)
    for number, (name, answer) in enumerate(_asked(shop, asked, question, names, work), 1):
        work.progress("models", number, len(names))
        if isinstance(answer, str):
            failed[name] = answer
        else:
            found[name] = answer
    background = _background(shop, question, found)
    measured = [
        _judged(name, one, question, background, name in live) for name, one in found.items()
    ]
    chance = next((one for one in measured if one.name == CHANCE), None)
    return [_doubted(one, found[one.name][1].lists, chance) for one in measured], failed


def _doubted(one: Measured, lists: Lists, chance: Measured | None) -> Measured:
    words = sanity.doubts(one, lists, chance)
    return replace(one, more={**one.more, "doubts": words}) if words else one


def chosen(question: Question, options: Options) -> list[str]:
    """The models asked for that can answer; all that can, by default. Popularity always takes part."""
    _demand(options.models)
    ours = {entry.name for entry in entrants.own()}
    peers = options.peers
    able = [name for name in entrants.taking_part(question) if peers or name in ours]
    able += OURS
    wanted = {*options.models, POPULARITY} if options.models else set(able)
    return [name for name in able if name in wanted]


def _demand(names: Sequence[str]) -> None:
    known = [*entrants.entries(), *OURS]
    for name in names:
        if name not in known:
            raise ValueError(f"There is no model {name!r}. There are: {', '.join(known)}.")


def _asked(
    shop: Shop, asked: Asked, question: Question, names: Sequence[str], work: Work
) -> Iterator[tuple[str, tuple[Sort, Answers] | str]]:
    personal = Personal(shop=shop, asked=asked, question=question, work=work)
    with process.prepared(question, folder()) as place:
        for name in names:
            try:
                sort, answer = _answered(name, question, personal, place)
                sanity.demand_allowed(answer.lists, question.fold)
                yield name, (sort, answer)
            except (RecoError, ValueError) as error:
                work.check()
                yield name, str(error)


def _answered(
    name: str, question: Question, personal: Personal, place: Path
) -> tuple[Sort, Answers]:
    if name in OURS:
        return OURS[name], personal.answers(name)
    answer = process.answers(
        name,
        question,
        place,
        timeout=personal.timeout(),
        memory_mb=conf.settings.TRAIN_MEMORY_MB,
    )
    return entrants.model(name, question).sort, answer


def served(site: int) -> str:
    """The model that the rows "recommended for you" are served by."""
    return BLENDED if BLENDED in _live(site) else PERSONAL


def _live(site: int) -> set[str]:
    """Names of the models that shoppers are served from."""
    rows = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site)
    kinds = set(rows.values_list("kind", flat=True))
    found = {name for name, kind in LIVE.items() if kind in kinds}
    return found - {PERSONAL} if BLENDED in found else found


def _background(
    shop: Shop, question: Question, found: Mapping[str, tuple[Sort, Answers]]
) -> Background:
    features = question.features
    obvious = found.get(POPULARITY)
    return Background(
        features=features.matrix if features is not None and features.matrix.nnz else None,
        categories=comparison_slices.categories(features),
        expected=None if obvious is None else obvious[1].lists,
    )


def _judged(
    name: str,
    found: tuple[Sort, Answers],
    question: Question,
    background: Background,
    is_live: bool,
) -> Measured:
    fold, (sort, answer) = question.fold, found
    measured = judged(
        name,
        answer.lists,
        fold,
        question.protocol.k,
        fit_s=answer.fit_s,
        ms=answer.ms_per_request,
        background=background,
        own=sort is Sort.PIPELINE,
        sort=sort,
        live=is_live,
        memory_mb=answer.memory_mb,
        note=answer.note,
    )
    auc = np.full(len(fold.requests), np.nan)
    auc[question.sample] = whole(answer.whole, fold.select(question.sample))
    return replace(measured, figures={**measured.figures, "auc": auc})


def _slices(
    asked: Asked, found: Sequence[Measured], protocol: Protocol, parts: Sequence[Part], seed: int
) -> list[dict[str, Any]]:
    """Figures by slice, of the model that is live or leads, beside popularity."""
    ahead = max(found, key=lambda one: (one.live and one.own, one.mean(protocol.metric) or 0.0))
    shown = [one for one in found if one.name in (ahead.name, POPULARITY)]
    return [
        told
        for one in shown
        for told in slices.figures(one, asked.fold, parts, protocol, seed=seed)
    ]
