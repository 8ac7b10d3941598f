"""A merchandiser's own links out of a shop and into it: a CSV that a spreadsheet opens."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from reco_plugin import backends, conf
from reco_plugin.models import Item, ManualLink
from reco_plugin.placements.exchange import Unusable
from reco_plugin.stores.keys import key_field

COLUMNS = ("product", "target")
NAMED = ("product", "product_title", "target", "target_title")
"""As exported. The titles are there to be read, and are not looked at by an import."""
MOST_WRONG = 50
"""Lines of an import that are told of."""
BATCH = 1_000

Pairs = dict[Any, list[Any]]
"""Of each product what goes with it, in order."""


@dataclass(frozen=True, kw_only=True)
class LinkChanges:
    """What an import makes of a site's links: how many of them, and of how many products."""

    products: int
    added: int
    moved: int
    removed: int
    same: int


@dataclass(kw_only=True)
class _Reading:
    """The lines of a file so far."""

    found: Pairs = field(default_factory=dict)
    lines: dict[Any, int] = field(default_factory=dict)
    """Where each product is named first."""
    wrong: list[str] = field(default_factory=list)

    def refuse(self, line: int, reason: str) -> None:
        self.wrong.append(_("Line %(line)d: %(reason)s") % {"line": line, "reason": reason})


def exported(site: int) -> Iterator[tuple[str, ...]]:
    """The heading, then a row for each link, those of a product in their order."""
    using = conf.settings.DATABASE
    rows = ManualLink.objects.using(using).filter(site=site).order_by("product_id", "order", "pk")
    pairs = list(rows.values_list("product_id", "target_id"))
    titles = dict(
        Item.objects.using(using)
        .filter(pk__in={key for pair in pairs for key in pair})
        .values_list("pk", "title")
    )
    yield NAMED
    for product, target in pairs:
        yield str(product), titles.get(product, ""), str(target), titles.get(target, "")


def parsed(text: str) -> Pairs:
    """The links of a CSV with columns `product` and `target`; others are not looked at.

    The order is that of the lines. Raises Unusable, with what is wrong in each line.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=_delimiter(text))
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise Unusable([_("There is no column %s in the first line.") % ", ".join(missing)])
    reading = _Reading()
    try:
        for row in rows:
            if any(row.get(name) for name in COLUMNS):
                _read(row, rows.line_num, reading)
    except csv.Error as error:
        reading.refuse(rows.line_num, str(error))
    _refuse_strangers(reading)
    if reading.wrong:
        more = len(reading.wrong) - MOST_WRONG
        said = [_("… and %d lines more.") % more] if more > 0 else []
        raise Unusable([*reading.wrong[:MOST_WRONG], *said])
    return reading.found


def imported(site: int, pairs: Pairs, *, dry_run: bool = False) -> LinkChanges:
    """Make these the links of the products that are named, in one transaction; other products keep theirs."""
    using = conf.settings.DATABASE
    with transaction.atomic(using=using):
        rows = _rows_of(site, list(pairs))
        known = {(row.product_id, row.target_id): row for row in rows}
        wanted = {
            (product, target): place
            for product, targets in pairs.items()
            for place, target in enumerate(targets)
        }
        gone = [row.pk for pair, row in known.items() if pair not in wanted]
        new = [
            ManualLink(site=site, product_id=product, target_id=target, order=place)
            for (product, target), place in wanted.items()
            if (product, target) not in known
        ]
        moved = _moved(known, wanted)
        if not dry_run:
            _write(gone, new, moved, using)
    same = len(wanted) - len(new) - len(moved)
    return LinkChanges(
        products=len(pairs), added=len(new), moved=len(moved), removed=len(gone), same=same
    )


def _delimiter(text: str) -> str:
    """A comma, or the semicolon that spreadsheets write in some countries."""
    first = text.partition("\n")[0]
    return ";" if first.count(";") > first.count(",") else ","


def _read(row: dict[str, Any], line: int, reading: _Reading) -> None:
    product, target = (_key(row.get(name) or "", name, line, reading) for name in COLUMNS)
    if product is None or target is None:
        return
    if product == target:
        reading.refuse(line, _("A product does not go with itself."))
        return
    targets = reading.found.setdefault(product, [])
    if target in targets:
        reading.refuse(line, _("%s is linked to this product already.") % target)
        return
    targets.append(target)
    for key in (product, target):
        reading.lines.setdefault(key, line)


def _key(text: str, column: str, line: int, reading: _Reading) -> Any:
    field = key_field()
    try:
        found = field.to_python(text.strip() or None)
        field.run_validators(found)
    except ValidationError:
        found = None
    if found is None:
        named = {"text": text, "column": column}
        reading.refuse(line, _("“%(text)s” in %(column)s is no key of a product.") % named)
    return found


def _refuse_strangers(reading: _Reading) -> None:
    """Keys that no product has."""
    keys = list(reading.lines)
    alive: set[Any] = set()
    for at in range(0, len(keys), BATCH):
        some = backends.catalog().products().filter(pk__in=keys[at : at + BATCH])
        alive.update(some.values_list("pk", flat=True))
    for key, line in reading.lines.items():
        if key not in alive:
            reading.refuse(line, _("There is no product “%s”.") % key)


def _rows_of(site: int, products: Sequence[Any]) -> Iterable[ManualLink]:
    rows = ManualLink.objects.using(conf.settings.DATABASE).filter(site=site)
    for at in range(0, len(products), BATCH):
        yield from rows.filter(product__in=products[at : at + BATCH])


def _moved(known: dict[Any, ManualLink], wanted: dict[Any, int]) -> list[ManualLink]:
    """Links that have another place than they had, with the new one."""
    found = []
    for pair, place in wanted.items():
        row = known.get(pair)
        if row is not None and row.order != place:
            row.order = place
            found.append(row)
    return found


def _write(
    gone: Sequence[int], new: Sequence[ManualLink], moved: Sequence[ManualLink], using: str
) -> None:
    rows = ManualLink.objects.using(using)
    for at in range(0, len(gone), BATCH):
        rows.filter(pk__in=gone[at : at + BATCH]).delete()
    rows.bulk_create(new, batch_size=BATCH)
    rows.bulk_update(moved, ["order"], batch_size=BATCH)
