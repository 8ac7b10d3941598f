"""The benchmark shop with pictures: files on a disk, or made as they are asked for."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage
from django.db.models.fields.files import FieldFile, FileField

from benchmarks.shop.catalog import ShopCatalog
from benchmarks.shop.models import Product

SIDE = 224
FORMS = 64
"""Pictures that are really drawn; the others differ from them in what follows their end."""
_storage: list[Storage] = []


class PicturedCatalog(ShopCatalog):
    """Every product shows one picture, named by its key."""

    def get_pictures(self, product: Any) -> Iterator[Any]:
        yield FieldFile(Product(), FileField(storage=_storage[-1]), f"{product.pk}.jpg")


class Drawn(Storage):
    """Pictures by number, without a disk."""

    def __init__(self, side: int = SIDE) -> None:
        self._drawn = [drawn(form, side) for form in range(FORMS)]

    def bytes_of(self, name: str) -> bytes:
        number = int(Path(name).stem)
        return self._drawn[number % FORMS] + number.to_bytes(8, "big")

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        return File(io.BytesIO(self.bytes_of(name)), name)

    def size(self, name: str) -> int:
        return len(self.bytes_of(name))

    def get_modified_time(self, name: str) -> Any:
        raise NotImplementedError


def drawn(form: int, side: int = SIDE) -> bytes:
    """A JPEG of blots on white, about as large as one of a photo of that size."""
    from PIL import Image

    random = np.random.default_rng(form)
    coarse = random.integers(0, 256, (7, 7, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    grain = random.normal(scale=8, size=(side, side, 3))
    pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=85)
    return out.getvalue()


def use(storage: Storage) -> None:
    """Let the catalogue show the pictures of this one."""
    _storage[:] = [storage]


def on_disk(folder: Path, count: int) -> FileSystemStorage:
    """Files 1.jpg … in `folder`."""
    made = Drawn()
    for number in range(1, count + 1):
        (folder / f"{number}.jpg").write_bytes(made.bytes_of(f"{number}.jpg"))
    return FileSystemStorage(str(folder))


def known(storage: Storage, count: int) -> None:
    """The rows that the job pictures makes of products 1 … `count`."""
    from reco_plugin.models import Picture, PictureState

    keys: Any = range(1, count + 1)
    rows = (
        Picture(
            product_id=key,
            name=f"{key}.jpg",
            marker="known",
            content_hash=_digest(storage, f"{key}.jpg"),
            state=PictureState.READABLE,
        )
        for key in keys
    )
    Picture.objects.bulk_create(rows, batch_size=2_000)


def _digest(storage: Storage, name: str) -> str:
    with storage.open(name, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def untaught(architecture: str, size: int, *, flip: bool) -> Any:
    """Weights of a network as it is born."""
    from reco_plugin.encoders.network import Network, arrays_of
    from reco_plugin.encoders.torches import torch
    from reco_plugin.encoders.weights import Block, Weights

    torch.manual_seed(0)
    blocks = (Block(name="all", size=128, share=1.0),)
    arrays = arrays_of(Network(architecture, blocks=blocks))
    return Weights(architecture=architecture, size=size, arrays=arrays, blocks=blocks, flip=flip)


def encoder_run(weights: Any, folder: Path) -> Any:
    """A live encoder with these weights."""
    from reco_plugin.encoders.weights import save
    from reco_plugin.jobs.publish import activate
    from reco_plugin.models import Run, RunStatus

    told: Mapping[str, Any] = {"fingerprint": weights.fingerprint}
    run = Run.objects.create(
        kind="encoder", trainer="resnet18", status=RunStatus.PUBLISHED, dataset=told
    )
    run.artefact = f"encoder-{run.pk}.npz"
    run.sha256 = save(folder / run.artefact, weights)
    run.save()
    activate(run)
    return run
