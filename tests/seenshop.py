"""A shop whose products have colours, and pictures that show them, seen by an encoder without torch."""

from __future__ import annotations

import hashlib
import io
import uuid
from pathlib import Path
from typing import Any

import fakeencoder
import pictureshop
from testapp.models import Category, Product

from reco_plugin import backends
from reco_plugin.catalog.pictures import Source
from reco_plugin.encoders.weights import Weights, save
from reco_plugin.jobs.publish import activate
from reco_plugin.jobs.running.execute import Execution, execute
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Picture, PictureState, Run, RunStatus

COLOURS = {
    "Red": (200, 30, 30),
    "Green": (30, 200, 30),
    "Blue": (30, 30, 200),
    "Grey": (120, 120, 120),
}


def picture(red: int, green: int, blue: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (20, 20), (red, green, blue)).save(out, "PNG")
    return out.getvalue()


class Shop(pictureshop.Shop):
    """Its first products are red, then come green ones …, each of a shade of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.products: list[Product] = []

    def stock(self, each: int = 6) -> Shop:
        for colour, shade in COLOURS.items():
            shelf, _ = Category.objects.get_or_create(label=colour)
            for number in range(each):
                self.products.append(
                    self.made(f"{colour.lower()}-{len(self.products)}", shade, number)
                )
                self.products[-1].shelves.add(shelf)
        sync_items()
        Picture.objects.bulk_create(self.read(product) for product in self.products)
        return self

    def read(self, product: Product) -> Picture:
        """The row of its picture, as the job pictures makes it."""
        (name,) = product.facts["pictures"]
        source = Source(name=name, storage=self.storage)
        return Picture(
            product=product,
            name=name,
            marker=source.marker(),
            content_hash=hashlib.sha256((self.folder / name).read_bytes()).hexdigest(),
            state=PictureState.READABLE,
        )

    def made(self, name: str, shade: tuple[int, int, int], number: int = 0) -> Product:
        """A product with one picture; not read yet."""
        red, green, blue = shade
        self.file(f"{name}.png", picture(red, green + number, blue))
        facts = {"pictures": [f"{name}.png"]}
        # by their keys products are held out: the same ones each time
        return Product.objects.create(
            ref=uuid.uuid5(uuid.NAMESPACE_OID, name), label=name, cents=100, facts=facts
        )

    def show(self, product: Product, *names: str) -> None:
        """Now it shows these."""
        product.facts = {"pictures": list(names)}
        product.save()

    def encoder(self, weights: Weights | None = None) -> Run:
        """A live one."""
        from reco_plugin.jobs import artefacts

        learnt = weights or fakeencoder.weights()
        run = Run.objects.create(
            kind="encoder",
            trainer=fakeencoder.NAME,
            status=RunStatus.PUBLISHED,
            dataset={"fingerprint": learnt.fingerprint},
            config={"encoder": {}, "weights": "auto", "seed": 0},
        )
        run.artefact = f"encoder-{run.pk}.npz"
        run.sha256 = save(artefacts.folder() / run.artefact, learnt)
        run.save()
        activate(run)
        return run


def opened(tmp_path: Path, settings: Any, monkeypatch: Any) -> Shop:
    """The shop, its encoder chosen, its artefacts in a folder of its own."""
    settings.RECO_ENCODER = fakeencoder.NAME
    settings.RECO_ARTEFACT_DIR = tmp_path / "artefacts"
    settings.RECO_TRAIN_THREADS = 1
    shop = Shop(tmp_path / "media")
    catalog = shop.catalog()
    monkeypatch.setattr(backends, "catalog", lambda: catalog)
    return shop


def done(name: str, **options: Any) -> Execution:
    """A job that came to a good end."""
    found = execute(name, 1, options=options or None)
    assert not found.error, found.error
    return found


def colour(key: Any) -> str:
    return str(Product.objects.get(pk=key).label).partition("-")[0]


def hashes() -> set[str]:
    return set(Picture.objects.values_list("content_hash", flat=True))
