"""How the live run has done on what happened since it was trained, beside popularity.

Each measuring judges one period: from the end of the last one (at first, from the end of the training)
to now. Shoppers with a past who did something new in it are asked for as serving would have at its
beginning: their history up to then, the way to a vector that the run serves by, the store that is live.
What they had met before is neither shown nor looked for, as in the hold-out. Too quiet a period is not
judged; it grows until there is enough to say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from django.db import transaction
from scipy import sparse

from reco_plugin import backends, clock, conf
from reco_plugin.datasets import EventLog, EventWeights, read_log
from reco_plugin.datasets.splits import NEGATIVE
from reco_plugin.exceptions import NotPublished
from reco_plugin.jobs import rechecking
from reco_plugin.jobs.evaluate import PROTOCOL, difference
from reco_plugin.jobs.publish import Fence, active_run, chosen_run, handle, unfenced
from reco_plugin.jobs.trial import K
from reco_plugin.metrics import evaluate as judge
from reco_plugin.models import Interaction, Run
from reco_plugin.pipeline import personal_vector
from reco_plugin.stores.base import Progress, Store
from reco_plugin.trainers.popularity import popularity
from reco_plugin.types import Floats, Ints, Key

if TYPE_CHECKING:
    from reco_plugin.jobs.running.work import Work

KIND = "personal"
FEWEST = 25
"""Shoppers below whom a figure would be an accident."""
MOST_SHOPPERS = 1_000
"""A seeded sample of those there are; each costs three statements."""
MOST_SEEN = 1_000
"""Products met before that a list is asked beyond."""
MOST_NEW = 500
"""New events of one shopper that are looked past to find the older ones."""
MOST_ENTRIES = 100
Stage: TypeAlias = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Period:
    """From `start` to `end`, and what happened in between."""

    start: dt.datetime
    end: dt.datetime
    log: EventLog

    def wanted(self) -> dict[int, set[int]]:
        """Item rows by shopper row: what showed interest."""
        kept = ~np.isin(self.log.kind, NEGATIVE)
        found: dict[int, set[int]] = {}
        for shopper, item in zip(
            self.log.shopper[kept].tolist(), self.log.item[kept].tolist(), strict=True
        ):
            found.setdefault(shopper, set()).add(item)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """One shopper: what they went on to do, what was popular, and what they would have been shown."""

    wanted: set[int]
    served: list[int]
    popular: list[int]
    known: bool
    """The run had a vector for them."""


def measure(
    site: int | None = None,
    *,
    run: int | None = None,
    progress: Progress | None = None,
    stage: Stage = lambda name: nullcontext(),
    fence: Fence = unfenced,
) -> dict[str, Any]:
    """Judge the live personal run (or the published run number `run`), and probe its indexes.

    The figures are appended to `Run.metrics["since"]`; where too little happened, `words` says so and
    nothing is appended. Raises NotPublished when there is nothing to judge, and LeaseLost from `fence`.
    """
    site = backends.site() if site is None else site
    found = _the_run(site, run)
    with stage("since"):
        entry = _measured(found, progress)
    if entry["enough"]:
        _append(found, entry, fence)
    with stage("recall"):
        indexes = rechecking.recheck(found, progress)
    return {"run": found.pk, "since": entry, "indexes": indexes}


def work(work: Work) -> dict[str, Any]:
    """The job 'evaluate'."""
    if active_run(work.site, KIND) is None:
        return {"run": None, "words": "No personal run is live yet."}
    return measure(work.site, progress=work.progress, stage=work.stage, fence=work.fence)


def _the_run(site: int, number: int | None) -> Run:
    found = chosen_run(site, KIND, number)
    if found is None and number is None:
        raise NotPublished(f"No {KIND} run of site {site} is live; train one with reco_train.")
    if found is None:
        raise NotPublished(f"There is no published {KIND} run {number} of site {site}.")
    return found


# --- measuring -----------------------------------------------------------------------------------


def _measured(run: Run, progress: Progress | None) -> dict[str, Any]:
    start, end = _start(run), clock.now()
    log = read_log(run.site, since=start, until=end)
    period = Period(start=start, end=end, log=log)
    told: dict[str, Any] = {
        "at": end.isoformat(timespec="seconds"),
        "from": start.isoformat(timespec="seconds"),
        "events": len(log),
    }
    asked = list(_asked(run, period, progress)) if len(log) else []
    told["shoppers"] = len(asked)
    if len(asked) < FEWEST:
        return {**told, "enough": False, "words": _too_little(len(log), len(asked), start)}
    return {**told, "enough": True, **_figures(asked, len(log.items))}


def _start(run: Run) -> dt.datetime:
    """The end of the last period that was judged, else of the training: it saw nothing later."""
    entries = run.metrics.get("since", [])
    if entries:
        return dt.datetime.fromisoformat(entries[-1]["at"])
    moment = clock.aware(run.finished_at) or clock.aware(run.created_at)
    assert moment is not None
    return moment


def _too_little(events: int, shoppers: int, start: dt.datetime) -> str:
    return (
        f"Too little happened yet: {events:,} events since {start:%Y-%m-%d %H:%M} UTC, by {shoppers:,} "
        f"shoppers with a past who did something new ({FEWEST} are needed to judge)."
    )


def _asked(run: Run, period: Period, progress: Progress | None) -> Iterator[Asked]:
    """A sample of the shoppers who can be judged."""
    asking = _Asking(run, period)
    wanted = period.wanted()
    order = np.random.default_rng(run.pk).permutation(sorted(wanted))
    judged = 0
    for number, shopper in enumerate(order.tolist(), 1):
        found = asking.one(shopper, wanted[shopper])
        if progress is not None:
            progress("shoppers", number, len(order))
        if found is not None:
            judged += 1
            yield found
        if judged == MOST_SHOPPERS:
            return


class _Asking:
    """What is the same for every shopper of a period."""

    def __init__(self, run: Run, period: Period) -> None:
        self.run, self.period = run, period
        self.store: Store = backends.store(run.store)
        self.weights = EventWeights.from_settings().weights
        self.popular = _popular(run.site, period)
        self.rows = {key: row for row, key in enumerate(period.log.items.to_python())}
        self.new = np.bincount(period.log.shopper, minlength=len(period.log.shoppers))

    def one(self, shopper: int, wanted: set[int]) -> Asked | None:
        """None for someone without a past, and where they met again what they had met."""
        key = self.period.log.shoppers.key(shopper)
        seen = self._seen(key)
        new = wanted - {self.rows[each] for each in seen if each in self.rows}
        if not seen or not new:
            return None
        vector = self._vector(key, int(self.new[shopper]))
        popular = self._popular_without(seen)
        served = popular if vector is None else self._served(vector, seen)
        return Asked(wanted=new, served=served, popular=popular, known=vector is not None)

    def _seen(self, shopper: Any) -> set[Key]:
        events = Interaction.objects.using(conf.settings.DATABASE).filter(
            site=self.run.site, shopper=shopper, occurred_at__lt=self.period.start
        )
        products = events.exclude(product=None).order_by().values_list("product_id", flat=True)
        return set(products.distinct())

    def _vector(self, shopper: Any, new: int) -> Floats | None:
        limit = conf.settings.HISTORY
        found = self.store.history(handle(self.run), shopper, limit + min(new, MOST_NEW))
        past = [event for event in found.events if event.occurred_at < self.period.start]
        return personal_vector(
            replace(found, events=tuple(past[:limit])),
            self.run.config,
            weights=self.weights,
            norm=float(self.run.dataset.get("norm") or 0.0),
            learnt_at=clock.aware(self.run.created_at),
            now=self.period.start,
        )

    def _served(self, vector: Floats, seen: set[Key]) -> list[int]:
        found = self.store.nearest(handle(self.run), vector, K + min(len(seen), MOST_SEEN))
        keys = [scored.key for scored in found if scored.key not in seen]
        return [self.rows.get(key, -1) for key in keys[:K]]

    def _popular_without(self, seen: set[Key]) -> list[int]:
        met = {self.rows[key] for key in seen if key in self.rows}
        best: list[int] = []
        for row in self.popular:
            if row not in met:
                best.append(row)
            if len(best) == K:
                break
        return best


def _popular(site: int, period: Period) -> list[int]:
    """Item rows of the period's log, most popular before its beginning first."""
    days = conf.settings.POPULAR_DAYS
    since = period.start - dt.timedelta(days=days) if days > 0 else None
    log = read_log(site, since=since, until=period.start)
    kept = ~np.isin(log.kind, NEGATIVE)
    counts = popularity(log.shopper[kept], log.item[kept], n_items=len(log.items))
    rows = {key: row for row, key in enumerate(period.log.items.to_python())}
    best = np.argsort(-counts, kind="stable")[: MOST_SEEN + K]
    keys = [log.items.key(int(row)) for row in best if counts[row] > 0]
    return [rows[key] for key in keys if key in rows]


def _figures(asked: list[Asked], items: int) -> dict[str, Any]:
    served, popular = _lists([one.served for one in asked]), _lists([one.popular for one in asked])
    wanted = _matrix([one.wanted for one in asked], items)
    gap = difference(served, popular, wanted)
    return {
        "k": K,
        "protocol": PROTOCOL,
        "known": sum(one.known for one in asked),
        "served": judge(served, wanted).as_dict(),
        "popularity": judge(popular, wanted).as_dict(),
        "difference": round(gap.served - gap.popular, 6),
        "error": round(gap.error, 6),
        "words": f"NDCG@{K} {gap.served:.4f} beside popularity's {gap.popular:.4f} over "
        f"{len(asked):,} shoppers.",
    }


def _lists(rows: list[list[int]]) -> Ints:
    """int32 (n, K); -1 where a list is short, or holds a product that is not known any more."""
    found = np.full((len(rows), K), -1, dtype=np.int32)
    for at, row in enumerate(rows):
        found[at, : len(row)] = row
    return found


def _matrix(rows: list[set[int]], items: int) -> sparse.csr_matrix:
    """float32 0/1 (n, n_items)."""
    at = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    columns = np.fromiter((item for row in rows for item in sorted(row)), np.int64)
    ones = np.ones(len(columns), np.float32)
    return sparse.csr_matrix((ones, (at, columns)), shape=(len(rows), items))


def _append(run: Run, entry: dict[str, Any], fence: Fence) -> None:
    """Add the entry to the run; the newest MOST_ENTRIES are kept."""
    with transaction.atomic(using=conf.settings.DATABASE):
        fence()
        row = Run.objects.using(conf.settings.DATABASE).select_for_update().get(pk=run.pk)
        row.metrics = {
            **row.metrics,
            "since": [*row.metrics.get("since", []), entry][-MOST_ENTRIES:],
        }
        row.save(update_fields=["metrics"])
    run.metrics = row.metrics
