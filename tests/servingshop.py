"""A small shop with live runs, for the tests of serving."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field

import numpy as np
from django.test import RequestFactory
from django.utils import timezone
from testapp.models import Product, StockRecord

from reco_plugin import backends
from reco_plugin.models import ActiveRun, Interaction, Item, RankedList, Run, RunStatus
from reco_plugin.stores.base import Handle, Vectors
from reco_plugin.types import EventKind, EventSource, Shopper, id_map

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@dataclass
class Shop:
    """`products[i]` has the vector of angle i: near numbers are near products."""

    products: list[Product]
    run: Run | None = None
    popular: Run | None = None
    shopper: Shopper = field(default_factory=lambda: Shopper(id=uuid.uuid4()))

    def did(self, kind: EventKind, product: Product, days: float = 0.1, shopper=None) -> None:
        Interaction.objects.create(
            event_id=uuid.uuid4(),
            kind=kind,
            shopper=(shopper or self.shopper).id,
            product_id=product.pk,
            source=EventSource.TRACK,
            occurred_at=timezone.now() - dt.timedelta(days=days),
        )

    def viewed(self, *numbers: int) -> None:
        for back, number in enumerate(numbers):
            self.did(EventKind.VIEW_ITEM, self.products[number], days=0.01 * (back + 1))

    def numbers(self, slate) -> list[int]:
        places = {product.pk: place for place, product in enumerate(self.products)}
        return [places[item.key] for item in slate]


def stock(product: Product, count: int = 5) -> None:
    StockRecord.objects.create(product=product, count=count)


def products(count: int) -> list[Product]:
    made = [
        Product(pk=uuid.UUID(int=number + 1), label=f"Thing {number}", cents=100 + number)
        for number in range(count)
    ]
    Product.objects.bulk_create(made)
    StockRecord.objects.bulk_create([StockRecord(product=each, count=5) for each in made])
    return made


def vectors(shop_products, *, trained=()) -> Vectors:
    angles = np.linspace(0, np.pi, len(shop_products), endpoint=False)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    shoppers = [shopper for shopper, _ in trained]
    own = np.array([vector for _, vector in trained], dtype=np.float32).reshape(-1, 2)
    return Vectors(
        items=id_map([product.pk for product in shop_products]),
        item_vectors=rows,
        item_biases=np.zeros(len(rows), dtype=np.float32),
        shoppers=id_map(shoppers) if shoppers else id_map([uuid.UUID(int=0)]),
        shopper_vectors=own if shoppers else np.ones((1, 2), dtype=np.float32),
    )


def publish(shop: Shop, *, members=None, way: str = "fold_in", trained=()) -> Run:
    store = backends.store()
    run = Run.objects.create(
        kind="personal",
        trainer="lightfm",
        status=RunStatus.PUBLISHED,
        config={"shopper_vector": way},
        dataset={"norm": 1.0},
        store=store.name,
    )
    chosen = shop.products if members is None else members
    run.store_state = store.publish(Handle(run=run.pk), vectors(chosen, trained=trained))
    run.save()
    activate(run)
    shop.run = run
    return run


def activate(run: Run) -> None:
    ActiveRun.objects.update_or_create(site=run.site, kind=run.kind, defaults={"run": run})


def rank(shop: Shop, segments: dict[str, list[int]]) -> Run:
    run = Run.objects.create(kind="popular", trainer="popular", status=RunStatus.PUBLISHED)
    for segment, numbers in segments.items():
        RankedList.objects.create(
            run=run,
            segment=segment,
            keys=[str(shop.products[number].pk) for number in numbers],
            scores=[float(len(numbers) - place) for place in range(len(numbers))],
        )
    activate(run)
    shop.popular = run
    return run


def item(product: Product, **values) -> Item:
    return Item.objects.create(product_id=product.pk, content_hash="x", **values)


def request(path: str = "/", **extra):
    return RequestFactory().get(path, HTTP_USER_AGENT=AGENT, **extra)
