"""Has the shop moved away from what the live run learnt? Looked at every day.

The last seven days are held against the history up to the training (and never against themselves): which
kinds of event there are, of which categories, at which prices, of products how popular then. Beside that,
how much of the week is of products and shoppers that were not there before, next to how much was so in the
last week before; and, week by week, how good the run was. What it comes to is a suggestion in words. The
figures are kept with the run: `Run.metrics["drift"]`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction

from reco_plugin import clock, conf
from reco_plugin.datasets import EventLog, read_log
from reco_plugin.jobs.drift_figures import LARGE, Counts, Shift, shift
from reco_plugin.jobs.drift_weeks import decay, weeks
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.work import Work
from reco_plugin.jobs.trial import DAY
from reco_plugin.models import Item, Run
from reco_plugin.types import EventKind

KIND = "personal"
WEEK = 7
FEWEST_EVENTS, FEWEST_SHOPPERS = 200, 25
"""On either side; below them a distribution is an accident."""
CELLS = 10
"""Of prices and of popularity, each with as much of the history."""
CATEGORIES = 20
"""The most frequent are looked at one by one, the rest together."""
MUCH_NEW = 0.1
"""More of the week than before, by so much of it, is of products the run has not learnt from."""
OLD_DAYS = 30
MOST_ENTRIES = 100
WORDS = {
    "kinds": "what shoppers do",
    "categories": "the categories they look at",
    "prices": "the prices they look at",
    "products": "which products are popular",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """The history up to the training, and the week."""

    then: EventLog
    now: EventLog

    @property
    def shoppers(self) -> tuple[int, int]:
        """Distinct ones on each side."""
        return len(np.unique(self.then.shopper)), len(np.unique(self.now.shopper))

    @property
    def enough(self) -> bool:
        events = min(len(self.then), len(self.now))
        return events >= FEWEST_EVENTS and min(self.shoppers) >= FEWEST_SHOPPERS


def work(work: Work) -> dict[str, Any]:
    """The job."""
    run = active_run(work.site, KIND)
    if run is None:
        return {"run": None, "words": "No personal run is live yet."}
    with work.stage("look"):
        entry = look(run, work)
    with work.stage("keep"):
        _append(run, entry, work)
    return {"run": run.pk, "retrain": entry["retrain"], "words": entry["words"]}


def look(run: Run, work: Work | None = None) -> dict[str, Any]:
    """The entry of now, JSON-able: shifts, what is new, the weeks, and what they suggest."""
    at = clock.now()
    log = read_log(
        run.site, since=_since(run), until=at, progress=work.progress if work is not None else None
    )
    trained = clock.aware(run.created_at) or at
    start = at - dt.timedelta(days=WEEK)
    sides = _sides(log, min(trained, start), start)
    told: dict[str, Any] = {
        "at": at.isoformat(timespec="seconds"),
        "from": start.isoformat(timespec="seconds"),
        "events": len(sides.now),
        "shifts": [],
        "weeks": [week.as_json() for week in weeks(run.metrics.get("since", []), trained)],
    }
    if sides.enough:
        found = shifts(sides, *_facts(log, run.site))
        told |= {"shifts": [one.as_json() for one in found], **unmet(log, sides)}
    return {**told, **suggestion(run, told, at)}


def _since(run: Run) -> dt.datetime | None:
    """Where the window begins that the run learnt from."""
    days = run.dataset.get("window_days") or 0
    trained = clock.aware(run.created_at)
    return trained - dt.timedelta(days=days) if days and trained else None


def _sides(log: EventLog, until: dt.datetime, since: dt.datetime) -> Sides:
    first, last = (int(each.timestamp() * 1e6) for each in (until, since))
    return Sides(then=log.select(log.at < first), now=log.select(log.at >= last))


# --- distributions -------------------------------------------------------------------------------


def shifts(
    sides: Sides, prices: npt.NDArray[np.float64], categories: Sequence[str]
) -> Iterator[Shift]:
    """Of every distribution of WORDS. `prices` (NaN where not known) and `categories` ('' for none) are of
    every item of the log."""
    kinds = [kind.ga4 for kind in EventKind]
    yield _shift("kinds", sides, lambda log: log.kind.astype(np.int64) - 1, kinds)
    names, of_item = _common(categories, sides.then)
    yield _shift("categories", sides, lambda log: of_item[log.item], names)
    edges, bands = _bands(prices[sides.then.item])
    yield _shift("prices", sides, lambda log: np.searchsorted(edges, prices[log.item]), bands)
    place, tenths = _popularity(sides.then)
    yield _shift("products", sides, lambda log: place[log.item], tenths)


def _shift(name: str, sides: Sides, cell: Any, cells: list[str]) -> Shift:
    """`cell` gives each event of a log its cell; one below 0 (a price that is not known) is left out."""
    then, now = (_counts(cell(log), len(cells)) for log in (sides.then, sides.now))
    return shift(name, then, now, cells, shoppers=sides.shoppers)


def _counts(cells: npt.NDArray[np.int64], size: int) -> Counts:
    return np.bincount(cells[(cells >= 0) & (cells < size)], minlength=size).astype(np.float64)


def _facts(log: EventLog, site: int) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Price and first category of every item of the log."""
    prices, categories = np.full(len(log.items), np.nan), [""] * len(log.items)
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site)
    for key, price, paths in rows.values_list("pk", "price", "categories").iterator(10_000):
        row = log.items.row(key)
        if row is not None:
            prices[row] = np.nan if price is None else price
            categories[row] = paths[0] if paths else ""
    return prices, categories


def _common(categories: Sequence[str], log: EventLog) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The most frequent categories and 'others', and the cell of each item."""
    names, of_item = np.unique(np.asarray(categories, dtype=np.str_), return_inverse=True)
    counts = np.bincount(of_item[log.item], minlength=len(names))
    kept = np.argsort(-counts, kind="stable")[:CATEGORIES]
    place = np.full(len(names), len(kept), np.int64)
    place[kept] = np.arange(len(kept))
    return [str(names[at]) or "none" for at in kept.tolist()] + ["others"], place[of_item]


def _bands(prices: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Edges that deal the history's events into CELLS, and the words of each band. NaN sorts behind
    all of them, into a cell that there is not."""
    known = prices[np.isfinite(prices)]
    if not len(known):
        return np.empty(0), []
    edges = np.unique(np.quantile(known, np.linspace(0, 1, CELLS + 1)[1:-1]))
    words = [f"up to {edge:g}" for edge in edges] + [f"above {edges[-1]:g}"]
    return np.append(edges, np.finfo(np.float64).max), words


def _popularity(log: EventLog) -> tuple[npt.NDArray[np.int64], list[str]]:
    """The cell of each item: tenths of the history's events, the most popular products first; the last
    is of those that had none."""
    counts = np.bincount(log.item, minlength=len(log.items))
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    place = np.empty(len(counts), np.int64)
    place[order] = np.minimum(before * CELLS // max(int(counts.sum()), 1), CELLS - 1)
    place[counts == 0] = CELLS
    words = [f"tenth {number + 1} of ten" for number in range(CELLS)]
    return place, [*words, "without an event before"]


# --- what is new ---------------------------------------------------------------------------------


def unmet(log: EventLog, sides: Sides) -> dict[str, Any]:
    """Shares of the week that are of products, and of shoppers, without an event up to then; and the same of
    the last week before ('before'), which says what is usual."""
    end = int(sides.then.at.max()) + 1
    earlier = end - WEEK * DAY
    usual = Sides(
        then=log.select(log.at < earlier), now=log.select((log.at >= earlier) & (log.at < end))
    )
    return {
        "new_products": {"now": _unmet(sides, "item"), "before": _unmet(usual, "item")},
        "new_shoppers": {"now": _unmet(sides, "shopper"), "before": _unmet(usual, "shopper")},
    }


def _unmet(sides: Sides, name: str) -> float:
    """Of events where `name` is 'item', of shoppers where it is 'shopper'."""
    rows = getattr(sides.now, name)
    if name == "shopper":
        rows = np.unique(rows)
    return round(float(np.mean(~np.isin(rows, getattr(sides.then, name)))), 4) if len(rows) else 0.0


# --- what it comes to ----------------------------------------------------------------------------


def suggestion(run: Run, told: dict[str, Any], at: dt.datetime) -> dict[str, Any]:
    """{'retrain': …, 'words': why, or why not}."""
    reasons = list(_reasons(run, told, at))
    if reasons:
        return {"retrain": True, "words": f"Train again: {'; '.join(reasons)}."}
    if not told["shifts"]:
        words = (
            f"Too little happened to compare: {told['events']:,} events in {WEEK} days (needs "
            f"{FEWEST_EVENTS:,} by {FEWEST_SHOPPERS} shoppers, also before the training)."
        )
        return {"retrain": False, "words": words}
    return {"retrain": False, "words": "Nothing speaks for another training."}


def _reasons(run: Run, told: dict[str, Any], at: dt.datetime) -> Iterator[str]:
    for one in told["shifts"]:
        if one["level"] == "large":
            cell, then, now = one["moved"][0]
            yield (
                f"{WORDS[one['name']]} changed (stability index {one['index']:.2f}, above {LARGE:g}; "
                f"{cell}: {then:.0%} before, {now:.0%} now)"
            )
    fresh = told.get("new_products", {})
    if fresh and fresh["now"] > fresh["before"] + MUCH_NEW:
        yield f"{fresh['now']:.0%} of what happened is about products it has not learnt from"
    if lost := decay(weeks(run.metrics.get("since", []), clock.aware(run.created_at) or at)):
        yield lost
    age = (at - (clock.aware(run.created_at) or at)).days
    if age >= OLD_DAYS:
        yield f"run {run.pk} was trained {age} days ago"


def _append(run: Run, entry: dict[str, Any], work: Work) -> None:
    """Add the entry to the run; one of the same day is replaced, the newest MOST_ENTRIES are kept."""
    day = entry["at"][:10]
    with transaction.atomic(using=conf.settings.DATABASE):
        work.fence()
        row = Run.objects.using(conf.settings.DATABASE).select_for_update().get(pk=run.pk)
        old = [one for one in row.metrics.get("drift", []) if one["at"][:10] != day]
        row.metrics = {**row.metrics, "drift": [*old, entry][-MOST_ENTRIES:]}
        row.save(update_fields=["metrics"])


def newest(run: Run) -> dict[str, Any] | None:
    """The newest entry of a run; None where nobody has looked yet."""
    entries = run.metrics.get("drift") or []
    return entries[-1] if entries else None
