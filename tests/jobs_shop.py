"""A made-up history in the awkward test shop: every shopper has a favourite category."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

import numpy as np
from django.utils import timezone
from testapp.models import Category, Product

from reco_plugin.models import Interaction
from reco_plugin.types import EventKind, EventSource

LABELS = ("Boots", "Lamps", "Pens", "Scarves", "Teapots")
FAST = {"dimensions": 16, "epochs": 8}
"""Trainer configuration that learns this shop in a moment."""


def products(each: int = 12) -> list[Product]:
    """`each` products in every category below one root."""
    root = Category.objects.create(label="All")
    shelves = [Category.objects.create(label=label, parent=root) for label in LABELS]
    made = [
        Product(label=f"{shelf.label} {number}", maker=f"Maker {number % 3}", cents=500 + number)
        for shelf in shelves
        for number in range(each)
    ]
    Product.objects.bulk_create(made)
    for at, product in enumerate(made):
        product.shelves.add(shelves[at // each])
    return made


def event(product: Product, shopper: uuid.UUID, **changes: object) -> Interaction:
    """An unsaved view of now."""
    values: dict[str, object] = {
        "event_id": uuid.uuid4(),
        "kind": EventKind.VIEW_ITEM,
        "shopper": shopper,
        "product_id": product.pk,
        "source": EventSource.TRACK,
        "occurred_at": timezone.now(),
    }
    return Interaction(**{**values, **changes})


def history(
    catalogue: Sequence[Product], *, shoppers: int = 60, events: int = 14, days: int = 40
) -> list[uuid.UUID]:
    """Events over the last `days`, nine of ten in the shopper's favourite category."""
    random = np.random.default_rng(5)
    each = len(catalogue) // len(LABELS)
    now = timezone.now()
    people = [uuid.UUID(int=number + 1) for number in range(shoppers)]
    rows = []
    for number, shopper in enumerate(people):
        own = number % len(LABELS) * each + random.permutation(each)
        for turn in range(events):
            stray = random.random() < 0.1
            at = int(random.integers(len(catalogue))) if stray else int(own[turn % each])
            ago = dt.timedelta(days=float(random.random() * days))
            kind = EventKind.PURCHASE if turn % 5 == 4 else EventKind.VIEW_ITEM
            rows.append(event(catalogue[at], shopper, kind=kind, occurred_at=now - ago))
    Interaction.objects.bulk_create(rows)
    return people
