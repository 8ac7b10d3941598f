"""The pictures of the catalogue → Picture rows: which there are, what changed, what can be opened.

What a storage says has not changed is not read. What was read is opened in a process of its own. Three
refusals of the same file put it in quarantine, until it changes or an operator lets it go; a storage that
fails is no fault of its pictures, which stay as they were.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from reco_plugin import backends, clock, conf, logs
from reco_plugin.catalog import Catalog
from reco_plugin.catalog.pictures import Source, sources
from reco_plugin.encoders import decoding
from reco_plugin.encoders.base import Fault, Refused
from reco_plugin.encoders.pool import DecoderPool
from reco_plugin.jobs import deleting
from reco_plugin.jobs.asking import Look, Seen
from reco_plugin.jobs.picture_files import asking, limits, with_pictures, workers
from reco_plugin.jobs.picture_rows import FIELDS, accept, is_due, is_settled, pictures, refuse
from reco_plugin.models import Item, Picture, PictureState
from reco_plugin.stores.base import Progress

if TYPE_CHECKING:
    from reco_plugin.jobs.running.work import Work

log = logging.getLogger(__name__)

BATCH = 200
"""Products looked at together."""
SIDE = 32
"""Pixels that a picture is opened at, to see that it can be."""


@dataclass(kw_only=True)
class PictureReport:
    """What was seen and done."""

    products: int = 0
    pictures: int = 0
    added: int = 0
    changed: int = 0
    """Their bytes are others than before."""
    unchanged: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """By `Fault`, this time."""
    quarantined: int = 0
    """Put there this time."""
    removed: int = 0
    """Rows of pictures that their product shows no more, or whose product is gone."""
    failed: int = 0
    """Products whose pictures the catalogue could not name; what was known of them stays."""
    notes: list[str] = field(default_factory=list)

    def refuse(self, fault: Fault) -> None:
        self.refused[fault] = self.refused.get(fault, 0) + 1

    def note(self, words: str) -> None:
        """The first few only."""
        if len(self.notes) < 20:
            self.notes.append(words)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def work(work: Work) -> dict[str, Any]:
    """The job. Returns a PictureReport as JSON."""
    if not decoding.is_installed():
        return {"notes": [f"Pillow is not installed, no picture is opened: {decoding.INSTALL}"]}
    with work.stage("pictures"):
        report = look_at_pictures(work.site, progress=work.progress, fence=work.fence)
    with work.stage("gone"):
        _remove_gone(work.site, report)
    return report.as_json()


def look_at_pictures(
    site: int = 1,
    keys: Sequence[Any] | None = None,
    *,
    progress: Progress | None = None,
    fence: Any = lambda: None,
) -> PictureReport:
    """Bring the Picture rows of `site` in line with what its products show, or those in `keys`.

    Every batch stands by itself: what was broken off is simply done again. Raises EncoderUnavailable
    where pictures cannot be opened at all.
    """
    report, catalog = PictureReport(), backends.catalog()
    total = _items().filter(site=site).count() if progress else 0
    with ExitStack() as stack:
        looker = _Looker(stack, site, report)
        for batch in _products(catalog, site, keys):
            looker.look_at(catalog, batch, fence)
            if progress:
                progress("pictures", report.products, max(total, report.products))
    return report


class _Looker:
    """What one look at the catalogue keeps open."""

    def __init__(self, stack: ExitStack, site: int, report: PictureReport) -> None:
        self._site, self._report, self._now = site, report, clock.now()
        self._pool = stack.enter_context(DecoderPool(workers(), limits(), SIDE))
        self._asking = stack.enter_context(asking())

    def look_at(self, catalog: Catalog, products: Sequence[Any], fence: Any) -> None:
        """Look at what these products show, and keep it."""
        ours = _items().filter(site=self._site, pk__in=[product.pk for product in products])
        of_site = set(ours.values_list("pk", flat=True))
        shown = dict(self._shown(catalog, [each for each in products if each.pk in of_site]))
        known = {
            (row.product_id, row.name): row for row in pictures().filter(product__in=list(shown))
        }
        rows = [
            (self._row(known, key, source), source, position)
            for key, found in shown.items()
            for position, source in enumerate(found)
        ]
        self._report.products += len(of_site)
        self._report.pictures += len(rows)
        changed = self._looked(rows)
        with transaction.atomic(using=conf.settings.DATABASE):
            fence()
            self._keep(changed, [row.pk for row in known.values()])

    def _shown(
        self, catalog: Catalog, products: Sequence[Any]
    ) -> Iterator[tuple[Any, list[Source]]]:
        for product in products:
            try:
                yield product.pk, sources(catalog.get_pictures(product))
            except Exception as error:  # noqa: BLE001  the shop's own code: one bad product is skipped
                self._report.failed += 1
                self._report.note(f"{product.pk}: {logs.kept(error)}")

    def _row(self, known: dict[Any, Picture], key: Any, source: Source) -> Picture:
        if (key, source.key) in known:
            return known.pop((key, source.key))
        return Picture(site=self._site, product_id=key, name=source.key)

    def _looked(self, rows: Sequence[tuple[Picture, Source, int]]) -> list[Picture]:
        """Those of `rows` that are not as they were."""
        before = {id(row): _content(row) for row, _, _ in rows}
        for row, _, position in rows:
            row.position = position
        due = [(row, source) for row, source, _ in rows if is_due(row, source, self._now)]
        self._report.unchanged += len(rows) - len(due)
        self._open(due)
        return [row for row, _, _ in rows if _is_new(row) or _content(row) != before[id(row)]]

    def _open(self, due: Sequence[tuple[Picture, Source]]) -> None:
        seen: dict[int, Seen] = {}
        looks = (
            Look(key=at, source=source, known=row.marker if is_settled(row) else "")
            for at, (row, source) in enumerate(due)
        )

        def unopened() -> Iterator[tuple[int, bytes | Refused]]:
            for look, found in self._asking.all(looks):
                row = due[look.key][0]
                if found.is_same or (is_settled(row) and _is_as_it_was(row, found)):
                    self._stays(row, look.source, found)
                    continue
                seen[look.key] = replace(found, data=None)
                yield look.key, found.refused or found.data or b""

        for at, opened in self._pool.map(unopened()):
            self._judge(due[at][0], seen.pop(at), opened)

    def _stays(self, row: Picture, source: Source, found: Seen) -> None:
        self._report.unchanged += 1
        if row.marker != found.sign or not source.is_near:
            row.marker, row.looked_at = found.sign, self._now
        if row.state == PictureState.READABLE:
            row.reason = row.words = ""

    def _judge(self, row: Picture, found: Seen, opened: Any) -> None:
        if _is_new(row):
            self._report.added += 1
        elif found.digest and not _is_as_it_was(row, found):
            self._report.changed += 1
        was = row.state
        if not isinstance(opened, Refused):
            accept(row, found.sign, found.digest)
        else:
            refuse(row, opened, found.sign)
            self._report.refuse(opened.fault)
            self._report.quarantined += was != row.state == PictureState.QUARANTINED
        if row.reason != Fault.STORAGE:
            row.looked_at = self._now

    def _keep(self, rows: Sequence[Picture], gone: Sequence[int]) -> None:
        new = [row for row in rows if _is_new(row)]
        known = [row for row in rows if not _is_new(row)]
        pictures().bulk_create(
            new, update_conflicts=True, unique_fields=["product", "name"], update_fields=FIELDS
        )
        pictures().bulk_update(known, FIELDS)
        if gone:
            self._report.removed += pictures().filter(pk__in=gone).delete()[0]


def _is_new(row: Picture) -> bool:
    return row._state.adding


def _is_as_it_was(row: Picture, found: Seen) -> bool:
    return found.sign == row.marker or found.digest == row.content_hash


# --- rows -----------------------------------------------------------------------------------------


def _products(catalog: Catalog, site: int, keys: Sequence[Any] | None) -> Iterator[list[Any]]:
    """By their keys, a batch a statement: reading pictures takes too long to keep a cursor open."""
    products = with_pictures(catalog, catalog.products_of(site)).order_by("pk")
    if keys is not None:
        products = products.filter(pk__in=keys)
    batch = list(products[:BATCH])
    while batch:
        yield batch
        batch = list(products.filter(pk__gt=batch[-1].pk)[:BATCH])


def _remove_gone(site: int, report: PictureReport) -> None:
    """Pictures of products that are no items any more."""
    ours = _items().filter(site=site, pk=OuterRef("product"))
    report.removed += deleting.in_batches(pictures().filter(~Exists(ours), site=site), "id")


def _content(row: Picture) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in FIELDS)


def _items() -> QuerySet[Item]:
    return Item.objects.using(conf.settings.DATABASE).all()
