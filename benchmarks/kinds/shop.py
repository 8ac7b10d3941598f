"""A shop in the database from what came before the split, and the plugin's own jobs run in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from benchmarks.kinds.log import Cut
from example_shop.demo import gift_shop, shelves
from example_shop.demo.goods import Assortment, ProductPlan
from example_shop.demo.order_log import OrderLog
from example_shop.demo.report import Report
from example_shop.shop.models import Product, StockRecord
from reco_plugin.capture.identity import shopper_id
from reco_plugin.jobs.backfill import backfill
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.specs import specs
from reco_plugin.models import Outcome
from reco_plugin.types import EventKind, EventSource, Shopper

LEFT_OUT = frozenset(
    {
        *("sync_orders", "evaluate", "compare", "tune", "drift", "catalogue_map", "suggest"),
        *("rollup", "sweep", "prune"),
    }
)
"""Jobs that make nothing of what is served; the orders are imported whole before."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Orders:
    """One side of the cut, in keys of the shop; all arrays have shape (lines,)."""

    customer: Any
    """'' for a guest."""
    product: Any
    """int64 keys; -1 for what the shop does not have."""
    invoice: Any
    at: Any

    @cached_property
    def of_customer(self) -> dict[str, list[int]]:
        """Rows of each customer, oldest first; guests have none."""
        found: dict[str, list[int]] = {}
        for row, (name, key) in enumerate(
            zip(self.customer.tolist(), self.product.tolist(), strict=True)
        ):
            if name and key >= 0:
                found.setdefault(name, []).append(row)
        return found

    @cached_property
    def baskets(self) -> dict[str, list[int]]:
        """Distinct products of each invoice, in the order of its lines."""
        found: dict[str, dict[int, None]] = {}
        for invoice, key in zip(self.invoice.tolist(), self.product.tolist(), strict=True):
            if key >= 0:
                found.setdefault(invoice, {})[key] = None
        return {invoice: list(keys) for invoice, keys in found.items()}

    def bought(self, customer: str) -> list[int]:
        """Distinct products, oldest first."""
        rows = self.of_customer.get(customer, ())
        return list(dict.fromkeys(int(self.product[row]) for row in rows))


@dataclass(frozen=True, kw_only=True, eq=False)
class Shop:
    past: Orders
    after: Orders
    split: Any
    keys: dict[str, int]
    """Article code → primary key, of what was sold before the split."""
    shoppers: dict[str, Shopper]
    category: dict[int, str]
    """Primary key → category path."""
    plans: tuple[ProductPlan, ...]
    """Of the whole log, what was first sold after the split among it."""
    seconds: dict[str, float] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    """What each job reported."""

    @property
    def products(self) -> int:
        return len(self.keys)

    def titles(self) -> dict[int, str]:
        """Of all products there are now."""
        return dict(Product.objects.values_list("pk", "title"))


def build(log: OrderLog, cut: Cut, tick: Callable[[str], object]) -> Shop:
    """Products, customers and orders up to the split, imported by the plugin."""
    report, now = Report(quiet=True), timezone.now().replace(microsecond=0)
    with transaction.atomic():
        plans = tuple(gift_shop._plans(cut.past))
        made = shelves.stack(_assortment(plans), now)
        soon = now + dt.timedelta(days=1)  # the loader leaves a day out; the last order is of today
        gift_shop.populate(cut.past, plans, made, soon, report)
    tick("orders")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    backfill()
    tick("import")
    keys = {code: product.pk for code, product in _coded(cut.past, plans, made)}
    users = {
        user.username: user.pk for user in User.objects.filter(username__startswith="customer-")
    }
    shoppers = {
        name.removeprefix("customer-"): Shopper(id=shopper_id(1, pk), user=pk)
        for name, pk in users.items()
    }
    category = {product.pk: plan.category[0] for plan, product in zip(plans, made, strict=True)}
    return Shop(
        past=_orders(cut.past, keys),
        after=_orders(cut.after, keys),
        split=cut.split,
        keys=keys,
        shoppers=shoppers,
        category=category,
        plans=tuple(gift_shop._plans(log)),
    )


def learn(
    shop: Shop,
    tick: Callable[[str], object],
    *,
    only: Collection[str] = (),
    without: Collection[str] = (),
) -> None:
    """Every job that makes what is served (or `only` some), by itself, in running order."""
    for name in only or specs():
        if name in LEFT_OUT or name in without:
            continue
        found = execute(name, 1)
        shop.seconds[name] = found.seconds
        shop.said[name] = dict(found.report)
        if found.outcome is not None and found.outcome != Outcome.DONE:
            shop.said[name] = {"failed": found.error}
            tick(f"{name} has failed ({found.error})")
            continue
        tick(name)


def add_newborn(shop: Shop, cut: Cut) -> dict[str, int]:
    """Save what was first sold after the split, without any event; article code → key."""
    unknown = set(cut.after.code.tolist()) - set(shop.keys)
    slugs = {gift_shop._slug(code): code for code in unknown}
    plans = tuple(plan for plan in shop.plans if plan.slug in slugs)
    codes = [slugs[plan.slug] for plan in plans]
    from example_shop.shop.models import Category

    shelf = {each.name: each for each in Category.objects.all()}
    made = []
    for plan in plans:
        category = shelf.get(plan.category[0])
        if category is None:
            continue
        product = Product.objects.create(
            title=plan.title,
            slug=plan.slug,
            description=plan.description,
            category=category,
            price=plan.price,
        )
        StockRecord.objects.create(product=product, warehouse="north", quantity=gift_shop.STOCK)
        made.append(product)
    return {code: product.pk for code, product in zip(codes, made, strict=False)}


def add_views(shop: Shop) -> None:
    """A look at each product a minute before it was bought: the log has no views of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO reco_interaction (site, event_id, kind, shopper, product_id, quantity, currency, "order", '
            "query, source, occurred_at, received_at) SELECT site, gen_random_uuid(), %s, shopper, product_id, 1, "
            "'', '', '', %s, occurred_at - interval '1 minute', received_at FROM reco_interaction WHERE kind = %s",
            [EventKind.VIEW_ITEM, EventSource.BACKFILL, EventKind.PURCHASE],
        )


def _assortment(plans: tuple[ProductPlan, ...]) -> Assortment:
    return Assortment(
        products=plans, departments=(*gift_shop.CATEGORIES, gift_shop.REST), personas=()
    )


def _coded(
    log: OrderLog, plans: Sequence[ProductPlan], made: Sequence[Product]
) -> Iterator[tuple[str, Product]]:
    by_slug = {plan.slug: product for plan, product in zip(plans, made, strict=True)}
    for code in set(log.code.tolist()):
        yield code, by_slug[gift_shop._slug(code)]


def _orders(log: OrderLog, keys: dict[str, int]) -> Orders:
    kept = ~log.refunded
    return Orders(
        customer=log.customer[kept],
        product=np.array([keys.get(code, -1) for code in log.code[kept].tolist()], np.int64),
        invoice=log.invoice[kept],
        at=log.at[kept],
    )
