"""A live run of what products look like, laid over the shop of the tests of serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import servingshop as ss

from reco_plugin import backends
from reco_plugin.models import Neighbours, Run, RunStatus
from reco_plugin.stores.base import Handle, Vectors
from reco_plugin.types import Floats, id_map

WIDTH = 5
"""Another one than that of the run of behaviour, so that no vector can pass for one of the other's."""


def unit(angle: float) -> Floats:
    """A direction in the plane of the first two of WIDTH dimensions."""
    found = np.zeros(WIDTH, dtype=np.float32)
    found[:2] = np.cos(angle), np.sin(angle)
    return found


def publish(shop: ss.Shop, looks: Mapping[int, float], *, lists: int = 0) -> Run:
    """`looks` are angles by number of product: near angles look alike. `lists`, with so many neighbours
    of each worked out ahead."""
    store = backends.store()
    run = Run.objects.create(
        kind="visual",
        trainer="resnet18",
        status=RunStatus.PUBLISHED,
        config={"neighbours": {"depth": lists}} if lists else {},
        store=store.name,
    )
    numbers = list(looks)
    rows = np.stack([unit(looks[number]) for number in numbers])
    vectors = Vectors(
        items=id_map([shop.products[number].pk for number in numbers]),
        item_vectors=rows,
        item_biases=np.zeros(len(rows), dtype=np.float32),
        shoppers=id_map([]),
        shopper_vectors=np.zeros((0, WIDTH), dtype=np.float32),
    )
    run.store_state = store.publish(Handle(run=run.pk), vectors)
    run.save()
    if lists:
        work_out(shop, run, numbers, rows, lists)
    ss.activate(run)
    return run


def work_out(shop: ss.Shop, run: Run, numbers: Sequence[int], rows: Floats, depth: int) -> None:
    """Lists of the `depth` nearest of each, as the job makes them."""
    cosines = rows @ rows.T
    for at, number in enumerate(numbers):
        near = [int(other) for other in np.argsort(-cosines[at], kind="stable") if other != at]
        Neighbours.objects.create(
            run=run,
            product=shop.products[number],
            keys=[str(shop.products[numbers[other]].pk) for other in near[:depth]],
            scores=[round(float(cosines[at, other]), 5) for other in near[:depth]],
        )
