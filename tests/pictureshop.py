"""The awkward shop with pictures: files in a folder, named in each product's facts."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage
from django.db.models.fields.files import FieldFile, FileField
from testapp.models import Product
from testapp.reco import TestCatalog

from reco_plugin.jobs.pictures import PictureReport, look_at_pictures
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Picture


class Shop:
    """Products and their pictures; `storage` may be put in another's place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage: Storage = FileSystemStorage(str(folder))

    def catalog(self) -> TestCatalog:
        return PictureCatalog(self.storage)

    def product(self, *names: str) -> Product:
        """One that shows these, and has been read."""
        made = Product.objects.create(label="Lamp", facts={"pictures": list(names)})
        sync_items()
        return made

    def file(self, name: str, data: bytes) -> str:
        """Written a second later than the one before, as far as anyone can tell."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._clock = getattr(self, "_clock", time.time()) + 1
        os.utime(path, (self._clock, self._clock))
        return name

    def look(self) -> PictureReport:
        return look_at_pictures(1)

    def row(self, name: str) -> Picture:
        return Picture.objects.get(name=name)

    def told(self, name: str) -> tuple[str, str, int]:
        """State, reason, strikes."""
        row = self.row(name)
        return row.state, row.reason, row.strikes


class PictureCatalog(TestCatalog):
    __test__ = False

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get_attributes(self, product: Any) -> dict[str, str]:
        return {}

    def get_pictures(self, product: Any) -> Iterable[Any]:
        for name in product.facts.get("pictures", ()):
            yield name if "://" in name else stored(self._storage, name)


def stored(storage: Storage, name: str) -> FieldFile:
    """As a FileField gives it."""
    return FieldFile(Product(), FileField(storage=storage), name)


# --- storages that behave badly -------------------------------------------------------------------


class Counting(Storage):
    """Files in memory: counts what it is asked, and tells of changes if it is to."""

    def __init__(self, *, is_marked: bool = True) -> None:
        self.files: dict[str, bytes] = {}
        self.stamps: dict[str, float] = {}
        self.opened: list[str] = []
        self.asked: list[str] = []
        self.is_marked = is_marked

    def put(self, name: str, data: bytes, stamp: float = 1.0) -> None:
        self.files[name], self.stamps[name] = data, stamp

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        self.opened.append(name)
        if name not in self.files:
            raise FileNotFoundError(name)
        return File(io.BytesIO(self.files[name]), name)

    def exists(self, name: str) -> bool:
        return name in self.files

    def size(self, name: str) -> int:
        self.asked.append(name)
        if not self.is_marked:
            raise NotImplementedError
        if name not in self.files:
            raise FileNotFoundError(name)
        return len(self.files[name])

    def get_modified_time(self, name: str) -> Any:
        import datetime as dt

        return dt.datetime.fromtimestamp(self.stamps[name], tz=dt.UTC)


class Hanging(Counting):
    """Never answers for some names."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.hangs_at = set(names)

    def size(self, name: str) -> int:
        if name in self.hangs_at:
            time.sleep(30)
        return super().size(name)


class Raising(Counting):
    """Says it is broken, while it is."""

    is_broken = True

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        if self.is_broken:
            raise ConnectionError("the bucket is on fire")
        return super()._open(name, mode)

    def size(self, name: str) -> int:
        if self.is_broken:
            raise ConnectionError("the bucket is on fire")
        return super().size(name)

    def exists(self, name: str) -> bool:
        if self.is_broken:
            raise ConnectionError("still on fire")
        return super().exists(name)


# --- files ----------------------------------------------------------------------------------------


def picture(shade: int = 120, side: int = 24, form: str = "PNG", **options: Any) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (side, side), (shade, shade, shade)).save(out, form, **options)
    return out.getvalue()


def animation() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    frames = [Image.new("RGB", (24, 24), (shade, 0, 0)) for shade in (10, 90, 200)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def bomb(side: int = 12_000) -> bytes:
    """A real one: a few hundred kilobytes that unpack to hundreds of megabytes."""
    packer = zlib.compressobj(9)
    row = b"\x00" * (1 + 3 * side)
    body = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    return _png(side, side, body)


def header(side: int = 30_000) -> bytes:
    """Says it is large, and is nothing."""
    return _png(side, side, b"")


def _png(width: int, height: int, body: bytes) -> bytes:
    def chunks() -> Iterator[bytes]:
        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        for name, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b"")):
            yield struct.pack(">I", len(data)) + name + data
            yield struct.pack(">I", zlib.crc32(name + data))

    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks())
