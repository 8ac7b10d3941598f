"""The shop's catalogue → Item rows: streamed, only what changed, resumable at any point.

The job splits it by ranges of product keys, for as many workers as there are; `sync_items` does all of
it here and now.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice, pairwise
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, QuerySet, Window
from django.db.models.functions import Mod, RowNumber
from django.utils.dateparse import parse_datetime

from reco_plugin import backends, clock, conf, logs
from reco_plugin.catalog import Catalog
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import newcomers
from reco_plugin.jobs.newborn import give_vectors
from reco_plugin.jobs.running.shards import split_and_run
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Item
from reco_plugin.stores import keys as shop_keys
from reco_plugin.stores.base import Progress
from reco_plugin.types import CatalogItem, Key

log = logging.getLogger(__name__)

BATCH = 1_000
REPORTED = 50
CONTENT = (
    "site",
    "title",
    "text",
    "categories",
    "brand",
    "price",
    "tags",
    "attributes",
    "group_id",
    "sensitive",
    "available_since",
)
COUNTS = ("seen", "added", "changed", "unchanged", "removed", "failed", "elsewhere", "vectors")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A product that could not be read or written, and why."""

    key: str
    reason: str


@dataclass(kw_only=True, slots=True)
class ItemSync:
    """What a sync saw and did (or, in a dry run, would do)."""

    seen: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    elsewhere: int = 0
    """Products left alone because they are another site's."""
    vectors: int = 0
    """Products born after the live run that were given a vector made of their features."""
    failures: list[Failure] = field(default_factory=list)
    """The first fifty that failed."""
    notes: list[str] = field(default_factory=list)

    def fail(self, key: Key, error: Exception) -> None:
        """Count a product that was skipped."""
        self.failed += 1
        if len(self.failures) < REPORTED:
            reason = _clean(logs.kept(error)).strip()[:300]
            self.failures.append(Failure(key=_clean(str(key)), reason=reason))

    def add(self, found: Mapping[str, Any]) -> None:
        """Count what another report (as JSON) has counted."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + found[name])
        room = REPORTED - len(self.failures)
        self.failures += [Failure(**failure) for failure in found["failures"][:room]]
        self.notes += [note for note in found["notes"] if note not in self.notes]

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report in plain words."""
        counts = (
            f"{self.seen:,} products: {self.added:,} new, {self.changed:,} changed, "
            f"{self.unchanged:,} as before, {self.removed:,} gone, {self.failed:,} skipped."
        )
        told = [counts]
        if self.vectors:
            told.append(f"{self.vectors:,} products newer than the live run were given a vector.")
        if self.elsewhere:
            told.append(
                f"{self.elsewhere:,} were left alone: they are another site's. Let "
                "Catalog.products_of(site) return this site's products only."
            )
        told += [f"skipped {failure.key}: {failure.reason}" for failure in self.failures]
        if self.failed > len(self.failures):
            told.append(f"… and {self.failed - len(self.failures):,} more were skipped.")
        return told + self.notes


def sync_items(
    site: int = 1, *, dry_run: bool = False, progress: Progress | None = None
) -> ItemSync:
    """Bring the Item rows of `site` in line with the shop's products.

    A product whose catalogue method raises is skipped, named in the answer, and keeps the row it
    had. Every batch stands by itself: a sync that was broken off is simply run again.
    """
    report = ItemSync()
    catalog = backends.catalog()
    products = catalog.products_of(site)
    total = products.count() if progress else 0
    born = _birth(site)
    for batch in _batches(products.iterator(chunk_size=BATCH), BATCH):
        sync_batch(catalog, batch, site, report, dry_run=dry_run, born=born)
        if progress:
            progress("catalogue", report.seen, max(total, report.seen))
    _remove_vanished(products, site, report, dry_run)
    if not dry_run:
        _give_vectors(site, report)
    return report


# --- as a job ------------------------------------------------------------------------------------


def work(work: Work) -> dict[str, Any]:
    """The job: ranges of products by whoever has time, the rest here. Returns an ItemSync as JSON."""
    report, products = ItemSync(), backends.catalog().products_of(work.site)
    with work.stage("catalogue"):
        for found in split_and_run(work, _ranges(work), ShardSync(), stage="catalogue"):
            report.add(found)
    with work.stage("vanished"):
        _remove_vanished(products, work.site, report, dry_run=False)
    with work.stage("vectors"):
        _give_vectors(work.site, report)
    return report.as_json()


class ShardSync:
    """Brings the Item rows of one range of product keys in line."""

    def __call__(self, payload: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """`after` < key <= `upto`, None where there is no end to it."""
        report, site = ItemSync(), int(payload["site"])
        catalog = backends.catalog()
        products = _between(catalog.products_of(site), payload["after"], payload["upto"])
        born = clock.aware(parse_datetime(payload.get("born") or ""))
        for batch in _batches(products.iterator(chunk_size=BATCH), BATCH):
            sync_batch(catalog, batch, site, report, born=born)
            progress("catalogue", report.seen, max(payload["rows"], report.seen))
        return report.as_json()


def _ranges(work: Work) -> list[dict[str, Any]]:
    """Ranges of RECO_SHARD_ITEMS products; those of a predecessor whose shards are still there."""
    edges = work.checkpoint.get("edges")
    if edges is None:
        edges = _edges(max(1, conf.settings.SHARD_ITEMS))
        work.keep(edges=edges)
    same = {"site": work.site, "rows": conf.settings.SHARD_ITEMS, "born": _told(_birth(work.site))}
    return [
        {**same, "after": after, "upto": upto} for after, upto in pairwise([None, *edges, None])
    ]


def _birth(site: int) -> dt.datetime | None:
    """When products that are met now became available, where the shop does not say: just now, unless the
    catalogue is read for the first time."""
    return clock.now() if _items().filter(site=site).exists() else None


def _told(moment: dt.datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _edges(size: int) -> list[str]:
    """Every `size`-th product key, as text, in one statement over the primary key alone.

    All products are counted, also those the catalogue leaves out: any edges will do.
    """
    model = backends.catalog().model
    numbered = (
        model._base_manager.using(conf.settings.DATABASE)
        .order_by("pk")
        .annotate(reco_remainder=Mod(Window(RowNumber(), order_by="pk"), size))
        .filter(reco_remainder=0)
    )
    return [str(key) for key in numbered.values_list("pk", flat=True)]


def _between(products: QuerySet[Any], after: str | None, upto: str | None) -> QuerySet[Any]:
    to_key = shop_keys.key_field().to_python
    if after is not None:
        products = products.filter(pk__gt=to_key(after))
    return products if upto is None else products.filter(pk__lte=to_key(upto))


# --- the steps -----------------------------------------------------------------------------------


def _give_vectors(site: int, report: ItemSync) -> None:
    try:
        given = give_vectors(site)
        report.vectors = len(given)
        newcomers.join(site, given)
    except (RecoError, DatabaseError, ImproperlyConfigured) as error:
        log.warning("new products have no vector yet", exc_info=True)
        report.notes.append(f"New products wait for the next training to be personal: {error}")


def sync_batch(
    catalog: Catalog,
    batch: Sequence[Any],
    site: int,
    report: ItemSync,
    *,
    dry_run: bool = False,
    born: dt.datetime | None = None,
) -> list[Key]:
    """Write what is new or changed of these products; returns the keys of the new ones.

    `born` is when they became available, where the shop itself does not say; it stays with the row.
    """
    rows = list(_read(catalog, batch, site, report))
    known = _items().filter(pk__in=[row.pk for row in rows])
    found = list(known.values_list("pk", "content_hash", "site", "available_since"))
    before = {key: content for key, content, of, _ in found if of == site}
    taken = {key for key, _, of, _ in found if of != site}
    rows = [row for row in rows if row.pk not in taken]
    since = {key: moment for key, _, _, moment in found}
    for row in rows:
        row.available_since = row.available_since or since.get(row.pk, born)
    report.seen += len(batch)
    report.elsewhere += len(taken)
    new = [row for row in rows if row.pk not in before]
    changed = [row for row in rows if before.get(row.pk, row.content_hash) != row.content_hash]
    report.unchanged += len(rows) - len(new) - len(changed)
    report.added += _write(new, report, dry_run)
    report.changed += _write(changed, report, dry_run)
    return [row.pk for row in new]


def _read(catalog: Catalog, batch: Iterable[Any], site: int, report: ItemSync) -> Iterator[Item]:
    for product in batch:
        try:
            yield item_row(catalog.item(product), site)
        except Exception as error:  # noqa: BLE001  the shop's own code: one bad product is skipped
            report.fail(product.pk, error)


def item_row(item: CatalogItem, site: int) -> Item:
    """An unsaved Item row; what PostgreSQL cannot hold (NUL, NaN) is left out of it."""
    key: Any = item.key
    group: Any = item.group
    row = Item(
        product_id=key,
        site=site,
        title=_clean(item.title),
        text=_clean(item.description),
        categories=_clean(item.categories),
        brand=_clean(item.brand)[:255],
        price=item.price if item.price is not None and math.isfinite(item.price) else None,
        tags=_clean(item.tags),
        attributes=_clean(item.attributes),
        group_id=group,
        sensitive=item.sensitive,
        available_since=item.available_since,
    )
    content = json.dumps([getattr(row, name) for name in CONTENT], default=str, sort_keys=True)
    row.content_hash = hashlib.sha256(content.encode()).hexdigest()
    return row


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "ignore").decode()
    if isinstance(value, dict):
        return {_clean(str(name)): _clean(str(entry)) for name, entry in value.items()}
    return [_clean(str(entry)) for entry in value]


def _write(rows: list[Item], report: ItemSync, dry_run: bool) -> int:
    """Upsert `rows`; where a row spoils the batch, each goes alone and the bad one is reported."""
    if dry_run or not rows:
        return len(rows)
    try:
        _upsert(rows)
    except (DatabaseError, ValidationError, ValueError, TypeError) as error:
        if len(rows) == 1:
            report.fail(rows[0].pk, error)
            return 0
        half = len(rows) // 2
        return _write(rows[:half], report, False) + _write(rows[half:], report, False)
    return len(rows)


def _upsert(rows: list[Item]) -> None:
    with transaction.atomic(using=conf.settings.DATABASE):
        _items().bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["product"],
            update_fields=[
                *(name.removesuffix("_id") for name in CONTENT),
                "content_hash",
                "synced_at",
            ],
        )


def _remove_vanished(products: QuerySet[Any], site: int, report: ItemSync, dry_run: bool) -> None:
    ours = _items().filter(site=site)
    if not report.seen:
        if ours.exists():
            report.notes.append(
                "Catalog.products() returned nothing, so no item was removed; check its filters."
            )
        return
    gone = ours.filter(~Exists(products.filter(pk=OuterRef("pk"))))
    report.removed = gone.count() if dry_run else gone.delete()[0]


def _items() -> QuerySet[Item]:
    return Item.objects.using(conf.settings.DATABASE).all()


def _batches(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(rows, size)):
        yield batch
