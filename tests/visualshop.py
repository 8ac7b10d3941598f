"""A shop whose products have a visual run: for the tests of what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from testapp.models import Product

from reco_plugin import backends
from reco_plugin.management.contact_sheet import png
from reco_plugin.models import ActiveRun, Item, Picture, PictureState, Run, RunStatus
from reco_plugin.stores.base import Handle, Vectors
from reco_plugin.types import Floats, id_map

RED = png(np.full((9, 9, 3), (200, 30, 30), dtype=np.uint8))
"""A red PNG."""


def products(count: int) -> list[Product]:
    """With their items, as the sync leaves them."""
    made = [Product(label=f"Thing {number}", cents=100) for number in range(count)]
    Product.objects.bulk_create(made)
    Item.objects.bulk_create(
        Item(product_id=one.pk, title=one.label, categories=["All > Things"], content_hash="x")
        for one in made
    )
    return made


def groups(count: int, each: int, seed: int = 0) -> Floats:
    """(count * each, 16): unit rows around `count` directions."""
    random = np.random.default_rng(seed)
    middles = np.repeat(random.normal(size=(count, 16)), each, axis=0)
    rows = middles + 0.1 * random.normal(size=middles.shape)
    found: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def publish(shown: Sequence[Product], rows: Floats, **changes: Any) -> Run:
    """A live visual run that has `rows` (unit length) for `shown`."""
    store = backends.store()
    values: dict[str, Any] = {"trainer": "resnet18", "status": RunStatus.PUBLISHED, **changes}
    run = Run.objects.create(kind="visual", store=store.name, **values)
    vectors = Vectors(
        items=id_map([one.pk for one in shown]),
        item_vectors=rows,
        item_biases=np.zeros(len(rows), dtype=np.float32),
        shoppers=id_map([]),
        shopper_vectors=np.zeros((0, rows.shape[1]), dtype=np.float32),
    )
    run.store_state = store.publish(Handle(run=run.pk), vectors)
    run.save()
    ActiveRun.objects.update_or_create(site=1, kind="visual", defaults={"run": run})
    return run


def picture(of: Product, content: str = "", **changes: Any) -> Picture:
    """A readable picture of `of`; the same `content` is the same file."""
    values: dict[str, Any] = {"name": f"{of.label}.png", "state": PictureState.READABLE, **changes}
    digest = content.ljust(64, "0") if content else of.pk.hex.ljust(64, "f")
    return Picture.objects.create(product_id=of.pk, content_hash=digest, **values)
