"""Writes a simulated history: accounts, real shop orders, and events with dates in the past."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from example_shop.demo.goods import Assortment, Persona
from example_shop.demo.report import Report
from example_shop.demo.shoppers import BUY, CART, RETURN, VIEW, WISH, Tastes, Trace
from example_shop.shop.models import Order, OrderLine, Product, WishlistItem
from reco_plugin.capture import shopper_id, write
from reco_plugin.types import EventKind, EventSource, ShopEvent, Shopper

PASSWORD = "fern-and-fable"  # noqa: S105 - printed on the login page of the demo
NAMESPACE = uuid.UUID("5b8f6c1e-4a0d-4d7e-9c55-0d3f6a7be210")
GUESTS = 0.15
BATCH = 2_000
KINDS = {
    VIEW: EventKind.VIEW_ITEM,
    CART: EventKind.ADD_TO_CART,
    WISH: EventKind.ADD_TO_WISHLIST,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """Who the shoppers of a simulation are: row i is a user, or a guest with a visitor id."""

    users: dict[int, int]
    """Row → user key."""
    visitors: dict[int, uuid.UUID]

    def shopper(self, row: int) -> Shopper:
        if row in self.users:
            return Shopper(id=shopper_id(1, self.users[row]), user=self.users[row])
        return Shopper(id=self.visitors[row])


def populate(
    assortment: Assortment,
    products: Sequence[Product],
    likes: Tastes,
    trace: Trace,
    now: dt.datetime,
    rng: np.random.Generator,
    report: Report,
) -> dict[str, int]:
    """Write everything; returns counts. Call it inside a transaction."""
    people = _people(len(likes.size), assortment.personas, rng)
    variants = _variants(products)
    counts = _write_orders(people, products, variants, likes, trace, now)
    events = _events(people, products, variants, likes, trace, now)
    batch: list[ShopEvent] = []
    written = 0
    total = int(np.isin(trace.kind, list(KINDS)).sum())
    for event in report.bar(events, "Writing views and carts", total=total):
        batch.append(event)
        if len(batch) == BATCH:
            written += write(batch)
            batch.clear()
    written += write(batch)
    _write_wishes(people, products, trace)
    return {
        "shoppers": len(likes.size),
        "guests": len(people.visitors),
        "events": written,
        **counts,
    }


def create_personas(personas: Sequence[Persona]) -> list[User]:
    """The demo accounts, all with the same printed password."""
    password = make_password(PASSWORD)
    return User.objects.bulk_create(
        User(
            username=persona.username,
            first_name=persona.username.title(),
            email=f"{persona.username}@example.com",
            password=password,
        )
        for persona in personas
    )


def _people(count: int, personas: Sequence[Persona], rng: np.random.Generator) -> People:
    named = create_personas(personas[:count])
    rows = np.arange(len(named), count)
    guest = rng.random(len(rows)) < GUESTS
    others = rows[~guest].tolist()
    locked = make_password(None)
    made = User.objects.bulk_create(
        (User(username=f"shopper-{row:05d}", password=locked) for row in others), batch_size=BATCH
    )
    users = dict(zip([*range(len(named)), *others], [u.pk for u in (*named, *made)], strict=True))
    visitors = {row: random_visitor(rng) for row in rows[guest].tolist()}
    return People(users=users, visitors=visitors)


def random_visitor(rng: np.random.Generator) -> uuid.UUID:
    """A visitor id as a cookie would carry it."""
    return uuid.UUID(bytes=rng.bytes(16), version=4)


def _variants(products: Sequence[Product]) -> dict[int, list[Product]]:
    found: dict[int, list[Product]] = {}
    for variant in Product.objects.exclude(parent=None).order_by("pk"):
        found.setdefault(int(variant.parent_id or 0), []).append(variant)
    return found


def _bought(
    product: Product, shopper: int, variants: dict[int, list[Product]], likes: Tastes
) -> Product:
    """The variant this shopper takes: people have one size."""
    sizes = variants.get(product.pk)
    return sizes[int(likes.size[shopper]) % len(sizes)] if sizes else product


def _write_orders(
    people: People,
    products: Sequence[Product],
    variants: dict[int, list[Product]],
    likes: Tastes,
    trace: Trace,
    now: dt.datetime,
) -> dict[str, int]:
    """One order per visit that bought something, refunded as a whole when something came back."""
    returned = set(trace.visit[trace.kind == RETURN].tolist())
    orders: dict[int, Order] = {}
    lines: list[OrderLine] = []
    for row in np.flatnonzero(trace.kind == BUY).tolist():
        visit, shopper = int(trace.visit[row]), int(trace.shopper[row])
        order = orders.get(visit)
        if order is None:
            placed = now - dt.timedelta(seconds=int(trace.at[row]))
            order = orders[visit] = _order(visit, people, shopper, placed, visit in returned)
        product = _bought(products[int(trace.product[row])], shopper, variants, likes)
        lines.append(
            OrderLine(order=order, product=product, title=str(product), price=product.price)
        )
    Order.objects.bulk_create(orders.values(), batch_size=BATCH)
    OrderLine.objects.bulk_create(lines, batch_size=BATCH)
    return {"orders": len(orders), "order_lines": len(lines), "refunded": len(returned)}


def _order(visit: int, people: People, shopper: int, placed: dt.datetime, returned: bool) -> Order:
    user = people.users.get(shopper)
    return Order(
        number=f"D{visit:07d}",
        user_id=user,
        visitor="" if user else str(people.visitors[shopper]),
        status=Order.Status.REFUNDED if returned else Order.Status.PAID,
        placed_at=placed,
    )


def _events(
    people: People,
    products: Sequence[Product],
    variants: dict[int, list[Product]],
    likes: Tastes,
    trace: Trace,
    now: dt.datetime,
) -> Iterator[ShopEvent]:
    columns = (trace.kind, trace.shopper, trace.product, trace.at, trace.visit)
    for number, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        kind, shopper, index, ago, _ = row
        if kind in KINDS:
            product: Any = products[index]
            if kind == CART:
                product = _bought(product, shopper, variants, likes)
            yield ShopEvent(
                event_id=uuid.uuid5(NAMESPACE, str(number)),
                kind=KINDS[kind],
                shopper=people.shopper(shopper),
                occurred_at=now - dt.timedelta(seconds=ago),
                product=product.pk,
                price=product.price,
                source=EventSource.BACKFILL,
            )


def _write_wishes(people: People, products: Sequence[Product], trace: Trace) -> None:
    rows = np.flatnonzero(trace.kind == WISH).tolist()
    pairs = {(int(trace.shopper[row]), int(trace.product[row])) for row in rows}
    WishlistItem.objects.bulk_create(
        WishlistItem(user_id=people.users[shopper], product=products[index])
        for shopper, index in sorted(pairs)
        if shopper in people.users
    )
