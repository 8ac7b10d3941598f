"""Do the books balance? What the shop sold and showed, held against what was recorded of it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef
from psycopg.sql import SQL, Identifier

from example_shop.shop.models import Order, OrderLine
from example_shop.soak.shoppers import Diary
from reco_plugin.models import (
    ActiveRun,
    Click,
    Impression,
    Interaction,
    Job,
    Run,
    RunStatus,
)
from reco_plugin.types import EventKind

UNFINISHED = (RunStatus.RUNNING, RunStatus.TRAINED)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that must hold."""

    what: str
    found: int
    wanted: int = 0
    most: int | None = None
    """Up to so many is no fault; None: just `wanted`."""

    @property
    def balances(self) -> bool:
        return self.wanted <= self.found <= (self.wanted if self.most is None else self.most)

    @property
    def bar(self) -> str:
        return f"must be {self.wanted}" if self.most is None else f"at most {self.most}"


def audit(diary: Diary, since: dt.datetime, *, web_kills: int = 0) -> Iterator[Entry]:
    """Every entry; all must balance. Orders count that were placed from `since` (aware) on.

    A web process that is killed between a response and the INSERT that follows it takes the
    impressions of that page with it, which a shopper may click all the same: one page a kill.
    """
    yield from _orders(diary, since)
    yield from _runs()
    yield from _exposure(web_kills)
    held = Job.objects.exclude(token=None).count()
    yield Entry(what="jobs that somebody still holds", found=held)
    failed = sum(number for status, number in diary.statuses.items() if status.startswith("5"))
    yield Entry(what="server errors that shoppers met", found=failed)


def recorded(since: dt.datetime) -> dict[str, int]:
    """Views and clicks that were written down; a killed web process takes what it held with it."""
    views = Interaction.objects.filter(kind=EventKind.VIEW_ITEM, received_at__gte=since)
    clicks = Click.objects.filter(clicked_at__gte=since)
    return {"views": views.count(), "clicks": clicks.count()}


def _orders(diary: Diary, since: dt.datetime) -> Iterator[Entry]:
    kept = set(Order.objects.filter(number__in=diary.orders).values_list("number", flat=True))
    yield Entry(
        what="orders shoppers were thanked for that are gone", found=len(diary.orders - kept)
    )
    placed = Order.objects.filter(placed_at__gte=since)
    lines = OrderLine.objects.filter(order__in=placed)
    sold = _counted(lines.values_list("order__number", "product_id", "quantity"))
    bought = Interaction.objects.filter(kind=EventKind.PURCHASE, order__in=placed.values("number"))
    known = _counted(bought.values_list("order", "product_id", "quantity"))
    yield Entry(what="purchases lost", found=sum((sold - known).values()))
    yield Entry(what="purchases doubled or made up", found=sum((known - sold).values()))


def _counted(rows: Iterable[tuple[Any, ...]]) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    for order, product, quantity in rows:
        found[order, product] += quantity
    return found


def _runs() -> Iterator[Entry]:
    live = list(ActiveRun.objects.select_related("run"))
    published = Run.objects.filter(status=RunStatus.PUBLISHED).values("kind").distinct()
    yield Entry(what="kinds of runs that are live", found=len(live), wanted=published.count())
    unpublished = sum(row.run.status != RunStatus.PUBLISHED for row in live)
    yield Entry(what="live runs that are not published", found=unpublished)
    yield Entry(what="runs left half-way", found=Run.objects.filter(status__in=UNFINISHED).count())
    short = sum(_missing_rows(row.run) for row in live)
    yield Entry(what="vectors missing from live runs", found=short)
    yield Entry(what="vector tables no run names", found=len(_tables() - _named()))


def _missing_rows(run: Run) -> int:
    state = run.store_state
    if "items" not in state:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(SQL("SELECT count(*) FROM {}").format(Identifier(state["items"])))
        return max(0, int(state["rows"]) - int(cursor.fetchone()[0]))


def _tables() -> set[str]:
    found = connection.introspection.table_names()
    return {name for name in found if name.startswith("reco_vectors_")}


def _named() -> set[str]:
    states = Run.objects.values_list("store_state", flat=True)
    return {state[key] for state in states for key in ("items", "shoppers") if key in state}


def _exposure(web_kills: int) -> Iterator[Entry]:
    whole = Impression.objects.filter(slate=OuterRef("slate"))
    tile = whole.filter(position=OuterRef("position"), product=OuterRef("product"))
    clicks = Click.objects.annotate(is_known=Exists(whole))
    made_up = clicks.filter(~Exists(tile), is_known=True)
    yield Entry(what="clicks on what a slate did not show", found=made_up.count())
    lost = clicks.filter(is_known=False).values("slate").distinct()
    yield Entry(what="slates that went with a killed process", found=lost.count(), most=web_kills)
