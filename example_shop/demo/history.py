"""Writes a simulated history: accounts, real shop orders, and events with dates in the past."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from example_shop.demo.goods import Persona
from example_shop.demo.report import Report
from example_shop.demo.shoppers import BUY, CART, RETURN, VIEW, WISH, Tastes, Trace
from example_shop.shop.models import Order, OrderLine, Product, WishlistItem
from reco_plugin.capture import shopper_id, write
from reco_plugin.types import EventKind, EventSource, ShopEvent, Shopper

PASSWORD = "fern-and-fable"  # noqa: S105 - printed on the login page of the demo
NAMESPACE = uuid.UUID("5b8f6c1e-4a0d-4d7e-9c55-0d3f6a7be210")
GUESTS = 0.15
BATCH = 2_000
BACK_AFTER = dt.timedelta(days=8)
"""How long after the purchase a return arrives."""
HELD = (*["mobile"] * 5, *["desktop"] * 4, "tablet")
"""Devices of shoppers, in turn."""
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Past:
    """A simulation, and the products of the shop it is about (in the order of its plans)."""

    products: Sequence[Product]
    likes: Tastes
    trace: Trace
    now: dt.datetime

    def bought(self, row: int, variants: dict[int, list[Product]]) -> Product:
        """What event `row` put in the cart: a variant where there are some, for people have one size."""
        product = self.products[int(self.trace.product[row])]
        sizes = variants.get(product.pk)
        size = int(self.likes.size[self.trace.shopper[row]])
        return sizes[size % len(sizes)] if sizes else product

    def moment(self, row: int) -> dt.datetime:
        return self.now - dt.timedelta(seconds=int(self.trace.at[row]))


def populate(
    past: Past, personas: Sequence[Persona], rng: np.random.Generator, report: Report
) -> dict[str, int]:
    """Write everything; returns counts. Call it inside a transaction."""
    people = _people(len(past.likes.size), personas, rng)
    variants = _variants()
    counts = _write_orders(past, people, variants)
    written = _write_events(past, people, variants, report)
    _write_wishes(past, people)
    guests = len(people.visitors)
    return {"shoppers": len(past.likes.size), "guests": guests, "events": written, **counts}


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


def _variants() -> dict[int, list[Product]]:
    """Variants by the key of their product."""
    found: dict[int, list[Product]] = {}
    for variant in Product.objects.exclude(parent=None).order_by("pk"):
        found.setdefault(int(variant.parent_id or 0), []).append(variant)
    return found


def _write_orders(past: Past, people: People, variants: dict[int, list[Product]]) -> dict[str, int]:
    """One order per visit that bought something, refunded as a whole when something came back."""
    trace = past.trace
    returned = set(trace.visit[trace.kind == RETURN].tolist())
    orders: dict[int, Order] = {}
    lines: list[OrderLine] = []
    for row in np.flatnonzero(trace.kind == BUY).tolist():
        visit = int(trace.visit[row])
        if visit not in orders:
            orders[visit] = _order(past, people, row, refunded=visit in returned)
        product = past.bought(row, variants)
        lines.append(
            OrderLine(order=orders[visit], product=product, title=str(product), price=product.price)
        )
    Order.objects.bulk_create(orders.values(), batch_size=BATCH)
    OrderLine.objects.bulk_create(lines, batch_size=BATCH)
    return {"orders": len(orders), "order_lines": len(lines), "refunded": len(returned)}


def _order(past: Past, people: People, row: int, *, refunded: bool) -> Order:
    shopper = int(past.trace.shopper[row])
    user = people.users.get(shopper)
    return Order(
        number=f"D{int(past.trace.visit[row]):07d}",
        user_id=user,
        visitor="" if user else str(people.visitors[shopper]),
        status=Order.Status.REFUNDED if refunded else Order.Status.PAID,
        placed_at=past.moment(row),
        changed_at=past.moment(row) + (BACK_AFTER if refunded else dt.timedelta()),
    )


def _write_events(
    past: Past, people: People, variants: dict[int, list[Product]], report: Report
) -> int:
    rows = np.flatnonzero(np.isin(past.trace.kind, list(KINDS))).tolist()
    written = 0
    for at in report.bar(range(0, len(rows), BATCH), "Writing views and carts"):
        batch = [_event(past, people, row, variants) for row in rows[at : at + BATCH]]
        written += write(batch)
    return written


def _event(past: Past, people: People, row: int, variants: dict[int, list[Product]]) -> ShopEvent:
    kind = int(past.trace.kind[row])
    product = past.products[int(past.trace.product[row])]
    if kind == CART:
        product = past.bought(row, variants)
    shopper = int(past.trace.shopper[row])
    return ShopEvent(
        event_id=uuid.uuid5(NAMESPACE, str(row)),
        kind=KINDS[kind],
        shopper=people.shopper(shopper),
        occurred_at=past.moment(row),
        product=product.pk,
        price=product.price,
        source=EventSource.BACKFILL,
        device=HELD[shopper % len(HELD)],
    )


def _write_wishes(past: Past, people: People) -> None:
    trace = past.trace
    rows = np.flatnonzero(trace.kind == WISH).tolist()
    pairs = {(int(trace.shopper[row]), int(trace.product[row])) for row in rows}
    WishlistItem.objects.bulk_create(
        WishlistItem(user_id=people.users[shopper], product=past.products[index])
        for shopper, index in sorted(pairs)
        if shopper in people.users
    )
