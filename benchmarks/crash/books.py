"""What must be in our tables: at any moment, when nothing is under way, and when a job has been done."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.crash import sight_books
from benchmarks.crash.doing import COMPARED, TRIALS, TUNE
from benchmarks.crash.found import Found

if TYPE_CHECKING:
    from benchmarks.crash.shop import Shop


def check(shop: Shop, found: Found, where: str, *, done: str = "") -> None:
    """Note what is wrong, and `where`. With `done`, a job that has come to its end, nothing is under way."""
    from reco_plugin.testing.wholeness import half_published, left_undone

    seen = [*half_published(), *(left_undone() if done else ())]
    found.half += [f"{words} ({where})" for words in seen]
    wrong = [*_events(shop), *(_told(shop, done) if done else ())]
    found.lost += [f"{words} ({where})" for words in wrong]


def _told(shop: Shop, name: str) -> Iterator[str]:
    """What a job that is done must have left."""
    if name in OF_JOB:
        yield from OF_JOB[name](shop)
    if shop.sees and name in sight_books.OF_JOB:
        yield from sight_books.OF_JOB[name](shop)


# --- at any moment -------------------------------------------------------------------------------


def _events(shop: Shop) -> Iterator[str]:
    """Every view is either still there or counted in its day's total; no order line is there twice."""
    rows, totals = _rows_by_day(shop), _totals()
    for day, wanted in shop.views.items():
        if rows.get(day, 0) != wanted and totals.get(day) != wanted:
            yield f"{rows.get(day, 0)} rows, {totals.get(day)} counted of {wanted} views of {day}"
    sold, lines = _sold()
    if sold != lines or lines > shop.lines:
        yield f"{sold} purchases of {lines} lines, {shop.lines} were made"


def _rows_by_day(shop: Shop) -> Mapping[dt.date, int]:
    from django.db.models import Count
    from django.db.models.functions import TruncDate

    from reco_plugin.models import Interaction
    from reco_plugin.types import EventKind

    views = Interaction.objects.filter(kind=EventKind.VIEW_ITEM).order_by()
    views = views.exclude(product__in=shop.gone)
    by_day = views.annotate(day=TruncDate("occurred_at", tzinfo=dt.UTC)).values_list("day")
    return dict(by_day.annotate(n=Count("pk")))


def _totals() -> Mapping[dt.date, int]:
    from reco_plugin.models import DailyTotal
    from reco_plugin.types import EventKind

    rows = DailyTotal.objects.filter(name=EventKind.VIEW_ITEM.ga4)
    return dict(rows.values_list("day", "count"))


def _sold() -> tuple[int, int]:
    """Purchases, and lines of orders that they are of."""
    from reco_plugin.models import Interaction
    from reco_plugin.types import EventKind

    bought = Interaction.objects.filter(kind=EventKind.PURCHASE)
    return bought.count(), bought.values("order", "product_id").distinct().count()


# --- when a job is done --------------------------------------------------------------------------


def _items(shop: Shop) -> Iterator[str]:
    from benchmarks.shop.models import Product
    from reco_plugin.models import Item

    title = Product.objects.get(pk=shop.changed).title
    if Item.objects.get(pk=shop.changed).title != title:
        yield f"product {shop.changed} is not known as {title!r}"


def _orders(shop: Shop) -> Iterator[str]:
    sold, _ = _sold()
    if sold != shop.lines:
        yield f"{sold} purchases of {shop.lines} lines"


def _newest(shop: Shop) -> Iterator[str]:
    from reco_plugin.models import Item

    if not Item.objects.filter(pk=shop.newest).exists():
        yield f"product {shop.newest} is not known"


def _lists(shop: Shop) -> Iterator[str]:
    from reco_plugin.jobs.lists import MAKERS
    from reco_plugin.models import ActiveRun

    live = set(ActiveRun.objects.values_list("kind", flat=True))
    for kind in set(MAKERS) - live:
        yield f"no {kind} run is live"


def _neighbours(shop: Shop) -> Iterator[str]:
    for kind in ("personal", *(("visual",) if shop.sees else ())):
        yield from scored(kind)


def scored(kind: str) -> Iterator[str]:
    """Are the lists of the live run of a kind those of its vectors, one for each?"""
    from reco_plugin.jobs.neighbours import Directions
    from reco_plugin.jobs.publish import active_run
    from reco_plugin.models import Neighbours

    run = active_run(1, kind)
    assert run is not None
    space = Directions.of(run)
    assert space is not None
    told = run.config.get("neighbours", {}).get("fingerprint")
    count = Neighbours.objects.filter(run=run).count()
    if told != space.fingerprint or count != len(space):
        yield f"{count} lists of {len(space)} products of {run}"


def _blend(shop: Shop) -> Iterator[str]:
    from reco_plugin.models import Run

    if not _newest_run("blend").gates:
        yield f"{Run.objects.filter(kind='blend').latest('pk')} was not judged"


def _since(shop: Shop) -> Iterator[str]:
    """Periods that were judged follow one another, without a gap."""
    from reco_plugin.jobs.publish import active_run

    run = active_run(1, "personal")
    assert run is not None
    entries = run.metrics.get("since", [])
    if not entries:
        yield f"nothing that happened since {run} was judged"
    for one, other in pairwise(entries):
        if one["at"] != other["from"]:
            yield f"periods of {run}: one ends {one['at']}, the next begins {other['from']}"


def _drift(shop: Shop) -> Iterator[str]:
    from reco_plugin.jobs.publish import active_run

    run = active_run(1, "personal")
    assert run is not None
    days = Counter(entry["at"][:10] for entry in run.metrics.get("drift", []))
    if days[dt.datetime.now(dt.UTC).date().isoformat()] != 1 or max(days.values()) > 1:
        yield f"looks for drift by day: {dict(days)}"


def _comparison(shop: Shop) -> Iterator[str]:
    run = _newest_run("comparison")
    names = sorted(line["name"] for line in run.metrics.get("models", []))
    if not set(COMPARED) <= set(names) or len(set(names)) < len(names):
        yield f"{run} compared {names}"


def _trials(shop: Shop) -> Iterator[str]:
    """Each of them once, all in one run."""
    from reco_plugin.jobs.tune import trials
    from reco_plugin.models import Run

    run = Run.objects.filter(kind="tuning", config__seed=shop.turn).latest("pk")
    numbers = [one.number for one in trials(run)]
    if numbers != list(range(TRIALS)):
        yield f"trials {numbers} of {run}"


def _newest_run(kind: str) -> Any:
    from reco_plugin.models import Run

    return Run.objects.filter(kind=kind).latest("pk")


def _gone(shop: Shop) -> Iterator[str]:
    from reco_plugin.models import Interaction, Item

    for rows in (
        Item.objects.filter(pk__in=shop.gone),
        Interaction.objects.filter(product__in=shop.gone),
    ):
        if rows.exists():
            yield f"{rows.count()} {rows.model.__name__} rows of products that are gone"


OF_JOB: Mapping[str, Callable[[Shop], Iterator[str]]] = {
    "sync_items": _items,
    "sync_orders": _orders,
    "arrivals": _newest,
    "lists": _lists,
    "score": _neighbours,
    "blend": _blend,
    "evaluate": _since,
    "drift": _drift,
    "compare": _comparison,
    "sweep": _gone,
    TUNE: _trials,
}
