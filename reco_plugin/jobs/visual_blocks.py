"""What lies beside a visual run: which pictures each product's vector is made of, and what was done to it.

In blocks of the database, so that any machine can go on with the run, and compare a photo with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import Exists, OuterRef

from reco_plugin import conf
from reco_plugin.encoders.whitening import Whitening
from reco_plugin.jobs import picture_vectors
from reco_plugin.models import Run, VectorBlock
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import Key, id_map

WHITENING, SIGNS = "whitening", "pictures"
"""Spaces of the blocks."""
BLOCK = 5_000
"""Products in one."""
Signs = dict[Key, int]


def signs(site: int, encoder: str, products: Sequence[Any] | None = None) -> Signs:
    """Of each product a number that changes when its pictures do, or their order."""
    seen = picture_vectors.vectors().filter(encoder=encoder, content_hash=OuterRef("content_hash"))
    known = picture_vectors.seen_items(site).filter(pk=OuterRef("product_id"))
    rows = picture_vectors.pictures(site).filter(Exists(known), Exists(seen))
    if products is not None:
        rows = rows.filter(product_id__in=products)
    rows = rows.order_by("product_id", "position", "pk")
    told = rows.values_list("product_id", "content_hash").iterator(10_000)
    return {
        key: _sign(name for _, name in pictures) for key, pictures in groupby(told, itemgetter(0))
    }


def _sign(names: Iterable[str]) -> int:
    digest = hashlib.blake2b("".join(names).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def read_signs(run: Run) -> Signs:
    """What the vectors of a run were made of."""
    found: Signs = {}
    for block in _blocks(run, SIGNS):
        numbers = np.frombuffer(block.vectors, "<u8").tolist()
        found |= zip(shop_keys.from_json(block.keys), numbers, strict=True)
    return found


def read_whitening(run: Run) -> Whitening | None:
    """What is to be done to an encoder's vectors before they are compared with those of a run."""
    block = next(_blocks(run, WHITENING), None)
    if block is None:
        return None
    numbers = np.frombuffer(block.vectors, "<f4").reshape(block.keys)
    return Whitening(mean=numbers[0], matrix=numbers[1:].T)


def keep(run: Run, whitening: Whitening | None, made_of: Signs) -> None:
    VectorBlock.objects.using(conf.settings.DATABASE).filter(
        run=run, space__in=(WHITENING, SIGNS)
    ).delete()
    if whitening is not None:
        numbers = np.vstack([whitening.mean, whitening.matrix.T])
        _write(run, WHITENING, list(numbers.shape), numbers.astype("<f4"))
    keep_signs(run, made_of)


def keep_signs(run: Run, made_of: Signs) -> None:
    """Later blocks say more than earlier ones."""
    keys = list(made_of)
    for at in range(0, len(keys), BLOCK):
        some = keys[at : at + BLOCK]
        numbers = np.asarray([made_of[key] for key in some], "<u8")
        _write(run, SIGNS, shop_keys.to_json(id_map(some)), numbers)


def _write(run: Run, space: str, keys: list[Any], numbers: npt.NDArray[Any]) -> None:
    VectorBlock.objects.using(conf.settings.DATABASE).create(
        site=run.site, run=run, space=space, keys=keys, vectors=numbers.tobytes()
    )


def _blocks(run: Run, space: str) -> Iterator[VectorBlock]:
    rows = VectorBlock.objects.using(conf.settings.DATABASE).filter(run=run, space=space)
    return rows.order_by("pk").iterator(20)
