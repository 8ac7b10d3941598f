"""How soon the lists know: of an event at the next request, of a saved product after one tick.

On the planted shop of `kinds`, through the same calls a page makes. No job runs between an event and the
request after it. A list has followed an event when its products are, on the whole, nearer to the event's
product than those it held before; how near two products are is told by who bought both, counted from the
log and not from what was learnt.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.harness import KEY, Bench, Row, close, create_database, migrate, server

TITLE = "freshness: an event in the next personal list, a saved product after one tick"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
LENGTH = 10
ALL = 1.0
SAVED = 100


def run(bench: Bench) -> Iterator[Row]:
    """Two rows for events, three for saved products; every bar is all of them."""
    asked = 40 if bench.quick else 200
    with tempfile.TemporaryDirectory(prefix="reco-bench-") as folder, server():
        os.environ["BENCH_FOLDER"] = folder
        os.environ.pop(KEY, None)
        create_database("freshness")
        _connect()
        migrate()
        try:
            with bench.progress(2 * asked + SAVED, "freshness") as bar:
                yield from _measure(asked, bar.update)
        finally:
            close()


def _connect() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.kinds.settings"
    django.setup()


def _measure(asked: int, tick: Callable[[], object]) -> Iterator[Row]:
    from benchmarks.kinds import log as logs
    from benchmarks.kinds import shop as shops

    log = logs.planted(customers=960, products=640)
    shop = shops.build(log, logs.cut(log, 28), _silent)
    shops.add_views(shop)
    shops.learn(shop, _silent)
    yield _events("known shoppers", _known(shop, asked), shop, tick)
    yield _events("guests, after their first event", _guests(asked), shop, tick)
    yield from _saved(tick)


def _silent(_: str) -> None:
    return None


# --- events --------------------------------------------------------------------------------------


def _known(shop: Any, count: int) -> list[Any]:
    return [shop.shoppers[name] for name in sorted(shop.shoppers)[:count]]


def _guests(count: int) -> list[Any]:
    from reco_plugin.types import Shopper

    return [Shopper(id=uuid.UUID(int=uuid.uuid4().int)) for _ in range(count)]


def _events(name: str, shoppers: Sequence[Any], shop: Any, tick: Callable[[], object]) -> Row:
    """One more look, at a product far from their list; then the next request."""
    together = _Together(shop)
    followed, changed = 0, 0
    for turn, shopper in enumerate(shoppers):
        before = _personal(shopper)
        product = together.stranger(before, turn)
        _look(shopper, product)
        after = _personal(shopper)
        changed += before != after
        followed += together.nearness(after, product) > together.nearness(before, product)
        tick()
    share = followed / len(shoppers)
    note = f"{len(shoppers)} shoppers, {changed} lists changed"
    return _row(f"one event in the next list, {name}", share, "of shoppers", note)


def _personal(shopper: Any) -> list[Any]:
    from reco_plugin.serving import recommend

    return [item.key for item in recommend("personal", shopper=shopper, limit=LENGTH, record=False)]


def _look(shopper: Any, product: int) -> None:
    """As the shop's product page does it, in a request of its own."""
    from django.contrib.auth.models import AnonymousUser, User
    from django.test import RequestFactory

    from reco_plugin.capture import track

    request = RequestFactory().get("/", HTTP_USER_AGENT=AGENT)
    request.COOKIES["reco_visitor"] = str(shopper.id)
    request.user = User.objects.get(pk=shopper.user) if shopper.user else AnonymousUser()
    track(request, "view_item", product)


class _Together:
    """Which products the same people bought, by cosine, from the log alone."""

    def __init__(self, shop: Any) -> None:
        import numpy as np
        from scipy import sparse

        self.keys = sorted(shop.keys.values())
        self._row = {key: row for row, key in enumerate(self.keys)}
        people = {name: row for row, name in enumerate(shop.past.of_customer)}
        pairs = {
            (people[name], self._row[int(shop.past.product[row])])
            for name, rows in shop.past.of_customer.items()
            for row in rows
        }
        rows, columns = zip(*sorted(pairs), strict=True)
        seen = sparse.csc_matrix(
            (np.ones(len(rows)), (rows, columns)), shape=(len(people), len(self.keys))
        )
        both = (seen.T @ seen).toarray()
        alone = np.sqrt(np.maximum(both.diagonal(), 1))
        self._cosine = both / alone[:, None] / alone[None, :]

    def nearness(self, listed: Sequence[Any], product: int) -> float:
        """Mean cosine of a list to a product; the product itself is left out."""
        rows = [self._row[key] for key in listed if key in self._row and key != product]
        return float(self._cosine[self._row[product], rows].mean()) if rows else 0.0

    def stranger(self, listed: Sequence[Any], turn: int) -> int:
        """A product that many bought, and few of those who bought what is listed."""
        rows = [self._row[key] for key in listed if key in self._row]
        near = self._cosine[rows].mean(axis=0) if rows else self._cosine.mean(axis=0)
        sold = self._cosine.sum(axis=0)
        far = [row for row in near.argsort() if sold[row] >= sold.mean()]
        return int(self.keys[far[turn % 20]])


# --- products ------------------------------------------------------------------------------------


def _saved(tick: Callable[[], object]) -> Iterator[Row]:
    from django.core.management import call_command

    from reco_plugin.serving import recommend

    call_command("reco_tick", no_progress=True, verbosity=0)  # nothing else is due any more
    _a_minute_goes_by()
    made = _save()
    call_command("reco_tick", no_progress=True, verbosity=0)
    listed = {item.key for item in recommend("new_arrivals", limit=LENGTH * 10, record=False)}
    own, back = 0, 0
    for product in made:
        near = [
            item
            for item in recommend("similar", product=product, limit=LENGTH, record=False)
            if not item.is_fallback
        ]
        own += bool(near)
        back += any(
            product.pk in {one.key for one in recommend("similar", product=item.key, limit=50)}
            for item in near[:3]
        )
        tick()
    note = f"{SAVED} saved one by one, then one reco_tick"
    found = sum(each.pk in listed for each in made)
    yield _row("saved products among new arrivals", found / SAVED, "of products", note)
    yield _row("saved products with neighbours of their own", own / SAVED, "of products", note)
    yield _row(
        "saved products near their neighbours",
        back / SAVED,
        "of products",
        f"{note}; no bar: lists worked out ahead wait for their own job",
        bar=0.0,
    )


def _row(name: str, share: float, unit: str, note: str, *, bar: float = ALL) -> Row:
    return Row(
        name=name,
        figure=share,
        floor=ALL,
        ratio=share,
        bar=bar,
        least=True,
        unit=unit,
        note=note,
    )


def _a_minute_goes_by() -> None:
    """Jobs as they stand when cron ticks again; it is never late by more than some seconds, nor early."""
    from django.db.models import F

    from reco_plugin.models import Job

    minute = dt.timedelta(seconds=55)
    Job.objects.filter(succeeded_at__isnull=False).update(succeeded_at=F("succeeded_at") - minute)


def _save() -> list[Any]:
    """A hundred more of what there is, saved by the shop's own code."""
    from example_shop.shop.models import Product, StockRecord

    made = []
    for number, like in enumerate(Product.objects.order_by("pk")[:SAVED]):
        product = Product.objects.create(
            title=f"{like.title} again",
            slug=f"again-{number}",
            description=like.description,
            category=like.category,
            price=like.price,
        )
        StockRecord.objects.create(product=product, warehouse="north", quantity=5)
        made.append(product)
    return made
