"""The shop of `pipeline`: imported once Django is set up for its database."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import User
from django.db import connection, transaction

from benchmarks.accuracy.pipeline import CannotServe, K, moment, one_moment_each
from benchmarks.shop.generate import _copy_rows
from benchmarks.shop.models import Category, Order, OrderLine, Product, StockRecord
from reco_plugin.capture.identity import shopper_id
from reco_plugin.datasets import item_features
from reco_plugin.jobs.backfill import backfill
from reco_plugin.jobs.blend import blend
from reco_plugin.jobs.blend_material import in_steps
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.execute import execute
from reco_plugin.models import Run, RunStatus
from reco_plugin.ranking import served
from reco_plugin.ranking.folds import Fold
from reco_plugin.ranking.served import Served, Settings, newest
from reco_plugin.ranking.votes import ranked
from reco_plugin.serving import recommend
from reco_plugin.trainers.histories import Histories
from reco_plugin.types import IdMap, Ints, Shopper


@dataclass(frozen=True, kw_only=True)
class Live:
    """The blend that is live."""

    run: Run
    verdict: str
    """Of the gate that compares."""


def build(past: Histories, titles: Mapping[int, str], seconds: dict[str, float]) -> None:
    """A product per item, a customer per row, an order per basket; the plugin imports the orders."""
    began = time.perf_counter()
    shelf = Category.objects.create(name="All")
    with transaction.atomic(), connection.cursor() as cursor:
        _copy_rows(cursor, Product, _products(past.n_items, titles, shelf.pk))
        _copy_rows(cursor, StockRecord, _stock(past.n_items))
        User.objects.bulk_create(
            (User(pk=row + 1, username=f"customer-{row}") for row in range(len(past))),
            batch_size=5_000,
        )
        begins = np.flatnonzero(np.diff(past.step, prepend=-1))
        _copy_rows(cursor, Order, _orders(past, begins))
        _copy_rows(cursor, OrderLine, _order_lines(past))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    seconds["shop"] = time.perf_counter() - began
    execute("sync_items", 1)
    began = time.perf_counter()
    backfill()
    seconds["import"] = time.perf_counter() - began


def _products(n_items: int, titles: Mapping[int, str], shelf: int) -> Iterator[dict[str, Any]]:
    for row in range(n_items):
        yield {
            "id": row + 1,
            "title": titles.get(row, f"item {row}")[:200],
            "description": "",
            "category_id": shelf,
            "brand": "",
            "price": 1,
            "is_active": True,
        }


def _stock(n_items: int) -> Iterator[dict[str, Any]]:
    return ({"product_id": row + 1, "warehouse": "one", "quantity": 9} for row in range(n_items))


def _orders(past: Histories, begins: npt.NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    assert past.at is not None
    for number, event in enumerate(begins.tolist(), 1):
        at = moment(int(past.at[event]))
        customer = int(past.rows[event]) + 1
        yield {
            "id": number,
            "customer_id": customer,
            "status": "paid",
            "placed_at": at,
            "updated_at": at,
        }


def _order_lines(past: Histories) -> Iterator[dict[str, Any]]:
    for step, item in zip(past.step.tolist(), past.items.tolist(), strict=True):
        yield {"order_id": step + 1, "product_id": item + 1, "quantity": 1, "unit_price": 1}


def learn(jobs: Sequence[str], seconds: dict[str, float]) -> Live:
    """Run the jobs; the blend that is live then, also where its gate refused it: that is told, and it is made live
    all the same, since here it is asked what is served and not what is better. Raises CannotServe."""
    for name in jobs:
        found = execute(name, 1)
        seconds[name] = found.seconds
        if found.error:
            raise CannotServe(f"The job {name} failed: {found.error}")
    judged = Run.objects.filter(kind="blend").latest("pk")
    verdict = "; ".join(gate["words"] for gate in judged.gates if gate["name"] == "blend")
    run = active_run(1, "blend")
    if run is None:
        run = blend(evaluate=False)
    if run.status != RunStatus.PUBLISHED:
        refused = [gate["words"] for gate in run.gates if gate["passed"] is False]
        raise CannotServe(f"No blend is learnt of this log: {'; '.join(refused) or run.error}.")
    return Live(run=run, verdict=verdict)


def asked(shoppers: npt.NDArray[np.int64]) -> tuple[Ints, float]:
    """(n, K) item rows as a page is served, and milliseconds per request."""
    found = np.full((len(shoppers), K), -1, np.int32)
    began = time.perf_counter()
    for at, row in enumerate(shoppers.tolist()):
        shopper = Shopper(id=shopper_id(1, row + 1), user=row + 1)
        slate = recommend("personal", shopper=shopper, limit=K, record=False)
        own: list[Any] = [item.key - 1 for item in slate if not item.is_fallback]  # type: ignore[operator]
        found[at, : len(own)] = own
    return found, 1_000 * (time.perf_counter() - began) / max(len(shoppers), 1)


def offline(past: Histories, fold: Fold, live: Live, deep: int) -> Ints:
    """(n, K) item rows by the blend learnt from `past` as it was read, without the database.

    Only the features of products, the moment that is judged and the settings are those of the run.
    """
    config = live.run.config
    whole = in_steps(one_moment_each(past))
    at = dt.datetime.fromisoformat(live.run.dataset["moment"])
    keys = IdMap(keys=np.arange(1, past.n_items + 1))
    learnt = served.learn(
        whole,
        int(at.timestamp()) * 1_000_000 + at.microsecond,
        features=item_features(keys, site=1),
        settings=Settings(**{name: config[name] for name in Settings.__dataclass_fields__}),
    )
    assert fold.shoppers is not None
    assert fold.requests.exclude is not None
    rows = newest(one_moment_each(past).select(fold.shoppers), config["newest"])
    found = np.full((len(rows), K), -1, np.int32)
    top = _top(learnt.final, rows, deep)
    for row in range(len(rows)):
        met = set(fold.requests.exclude[row].indices.tolist())
        new = [item for item in top(row) if item not in met][:K]
        found[row, : len(new)] = new
    return found


def _top(blend: Served, past: Histories, deep: int) -> Callable[[int], list[int]]:
    beside = blend.beside()

    def top(row: int) -> list[int]:
        part = slice(int(past.starts[row]), int(past.starts[row + 1]))
        products = past.items[part][::-1].tolist()
        found = blend.votes(products, past.steps_back[part][::-1].tolist(), beside)
        return [found.candidates[place] for place in ranked(blend.recipe, found, deep)[0]]

    return top
