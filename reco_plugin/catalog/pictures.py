"""Where a product's pictures are, and their bytes: through Django storage, or from allowed hosts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import FileSystemStorage, Storage, default_storage
from django.db import models

from reco_plugin.catalog import fetching
from reco_plugin.catalog.fetching import NoPicture
from reco_plugin.catalog.paths import follow

MOST = 16
"""Pictures of one product that are looked at; a gallery may be a film."""
LONGEST = 500
"""Characters of a name in our table."""
WORDS = ("image", "images", "picture", "pictures", "photo", "photos", "gallery", "media")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One picture: a file of a storage, or an address."""

    name: str
    storage: Storage | None = field(default=None, compare=False)
    """None for an address."""

    @property
    def key(self) -> str:
        """Its name in our table."""
        if len(self.name) <= LONGEST:
            return self.name
        return f"{self.name[: LONGEST - 65]}#{hashlib.sha256(self.name.encode()).hexdigest()}"

    @property
    def place(self) -> str:
        """Who is asked for it: what fails together."""
        if self.storage is None:
            return urlsplit(self.name).netloc
        return f"{type(self.storage).__name__} {id(self.storage)}"

    @property
    def is_near(self) -> bool:
        """May it be asked about often? (It is on a disk.)"""
        return isinstance(self.storage, FileSystemStorage)

    def marker(self) -> str:
        """What its storage says of its size and time of change, without reading; '' if it does not.

        Raises NoPicture.
        """
        if self.storage is None:
            return ""
        try:
            size = self._asked(self.storage.size)
            changed = self._asked(self.storage.get_modified_time)
        except NotImplementedError:
            return ""
        return f"{size}:{changed.timestamp():.6f}"

    def read(self, max_bytes: int, hosts: Iterable[str]) -> bytes:
        """All of it. Raises NoPicture, also for one of more than `max_bytes`, which is not read."""
        if self.storage is None:
            return fetching.fetch(self.name, hosts=hosts, max_bytes=max_bytes)
        storage = self.storage

        def whole(name: str) -> bytes:
            with storage.open(name, "rb") as file:
                return bytes(file.read(max_bytes + 1))

        data = self._asked(whole)
        if len(data) > max_bytes:
            raise fetching.too_large(max_bytes)
        return data

    def _asked(self, ask: Callable[[str], T]) -> T:
        """Storages raise what they like."""
        try:
            return ask(self.name)
        except (NotImplementedError, NoPicture):
            raise
        except FileNotFoundError as error:
            raise self._missing() from error
        except SuspiciousOperation as error:
            raise NoPicture("forbidden", "Its name leads out of the storage.") from error
        except Exception as error:
            if self._is_missing():
                raise self._missing() from error
            said = f"{type(error).__name__}: {error}"[:300]
            raise NoPicture("storage", f"The storage did not hand it out ({said}).") from error

    def _is_missing(self) -> bool:
        try:
            return self.storage is not None and not self.storage.exists(self.name)
        except Exception:  # noqa: BLE001 - it has failed before
            return False

    def _missing(self) -> NoPicture:
        return NoPicture("missing", "The storage has no such file: upload it again.")


def sources(values: Iterable[Any]) -> list[Source]:
    """Files (FieldFile), addresses and rows that hold one, as what can be read: each once, the first few."""
    found: dict[str, Source] = {}
    for value in values:
        source = _source(value)
        if source is not None and len(found) < MOST:
            found.setdefault(source.key, source)
    return list(found.values())


def _source(value: Any) -> Source | None:
    if isinstance(value, models.Model):
        value = in_row(value)
    if not value:
        return None
    if (storage := getattr(value, "storage", None)) is not None:
        return Source(name=_clean(str(value.name)), storage=storage)
    text = _clean(str(value.url if hasattr(value, "url") else value))
    media = str(django_settings.MEDIA_URL or "/")
    if len(media) > 1 and text.startswith(media):
        return Source(name=unquote(text.removeprefix(media)), storage=default_storage)
    if text.startswith("//"):
        text = f"https:{text}"
    if "://" in text:
        return Source(name=text)
    return Source(name=text.lstrip("/"), storage=default_storage)


def _clean(text: str) -> str:
    return text.replace("\x00", "").strip()


# --- galleries ------------------------------------------------------------------------------------


def gallery(product: Any, path: str) -> Iterator[Any]:
    """What 'images' or 'images.file' leads to, in the order of the rows."""
    name, _, rest = path.partition(".")
    found = follow(product, name)
    if isinstance(found, models.Manager):
        rows: Iterable[Any] = _ordered(found)
    else:
        rows = found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
    for row in rows:
        if row is not None:
            yield follow(row, rest) if rest else row


def _ordered(rows: models.Manager[Any]) -> list[Any]:
    """By the order the shop gives its rows, or as they were made: always the same."""
    every = rows.all()
    return list(every) if every.ordered else sorted(every, key=lambda row: row.pk)


def guess_gallery(model: type[models.Model]) -> str:
    """The first relation to rows that hold a picture, or ''."""
    for relation in model._meta.get_fields():
        if not (relation.one_to_many or relation.many_to_many):
            continue
        related: Any = relation.related_model
        name = relation.get_accessor_name() if relation.auto_created else relation.name  # type: ignore[union-attr]
        if name and isinstance(related, type) and related is not model and _sounds(name, related):
            return str(name)
    return ""


def _sounds(name: str, related: type[models.Model]) -> bool:
    called = f"{name} {related.__name__}".lower()
    return any(word in called for word in WORDS) and bool(picture_field(related))


def picture_field(model: type[models.Model]) -> str:
    """The field of a row that holds a picture: a file first, then an address; '' for none."""
    for kind in (models.ImageField, models.FileField, models.URLField):
        for each in model._meta.concrete_fields:
            if isinstance(each, kind):
                return each.name
    return ""


def in_row(row: models.Model) -> Any:
    """The picture that a row holds, or None."""
    name = picture_field(type(row))
    return getattr(row, name) if name else None
