"""Placements out of one shop and into another: a JSON text that can be kept under version control."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from reco_plugin import conf
from reco_plugin.models import Placement
from reco_plugin.placements.plain import as_json, from_json
from reco_plugin.placements.presets import BY_SLUG
from reco_plugin.placements.rows import in_force, read
from reco_plugin.placements.validation import problems
from reco_plugin.types import PlacementSpec


class Unusable(ValueError):
    """What is to be imported is not what it should be; `reasons` has one line each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = list(reasons)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What an import makes of a site's placements; names, in order."""

    created: list[str]
    changed: list[str]
    same: list[str]

    def as_json(self) -> dict[str, list[str]]:
        return {"created": self.created, "changed": self.changed, "same": self.same}


def exported(specs: Iterable[PlacementSpec]) -> str:
    """A JSON text that `parsed` makes the same placements of."""
    return json.dumps({"placements": [as_json(spec) for spec in specs]}, indent=2)


def parsed(text: str) -> list[PlacementSpec]:
    """The placements of a JSON text. Raises Unusable, with everything that is wrong."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise Unusable([_("This is no JSON: %s") % error]) from error
    rows = data.get("placements") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise Unusable([_('Expected {"placements": […]}, as “export” writes it.')])
    found, wrong = [], []
    for number, row in enumerate(rows, 1):
        spec, reasons = _one(row)
        name = row.get("slug", number) if isinstance(row, dict) else number
        wrong += [f"{name}: {reason}" for reason in reasons]
        found += [spec] if spec and not reasons else []
    names = [spec.slug for spec in found]
    wrong += [_("%s is there twice.") % name for name in _repeated(names)]
    if wrong:
        raise Unusable(wrong)
    return found


def imported(site: int, specs: Sequence[PlacementSpec], *, dry_run: bool = False) -> Changes:
    """Make these the rows of a site, in one transaction; rows of other names stay as they are."""
    rows = {row.slug: row for row in _rows(site).filter(slug__in=[spec.slug for spec in specs])}
    created = [spec for spec in specs if spec.slug not in rows]
    known = [spec for spec in specs if spec.slug in rows]
    changed = [spec for spec in known if read(rows[spec.slug])[0] != spec]
    if not dry_run:
        with transaction.atomic(using=conf.settings.DATABASE):
            for spec in [*created, *changed]:
                write(rows.get(spec.slug) or Placement(site=site), spec)
    names = {spec.slug for spec in changed}
    return Changes(
        created=[spec.slug for spec in created],
        changed=[spec.slug for spec in changed],
        same=[spec.slug for spec in known if spec.slug not in names],
    )


def reset(site: int, names: Sequence[str], *, dry_run: bool = False) -> Changes:
    """Make these placements as they come with the app. Raises Unusable for names that do not."""
    if strange := [name for name in names if name not in BY_SLUG]:
        raise Unusable([_("%s does not come with the app.") % name for name in strange])
    return imported(site, [BY_SLUG[name] for name in dict.fromkeys(names)], dry_run=dry_run)


def write(row: Placement, spec: PlacementSpec) -> None:
    """Save `spec` as this row."""
    for name, value in as_json(spec).items():
        setattr(row, name, value)
    row.save(using=conf.settings.DATABASE)


def standing(site: int) -> list[dict[str, Any]]:
    """Every placement of a site as plain values, with its `origin` ('app', 'changed' or 'own') and a
    `note` where its row cannot be used; by page and order."""
    found = in_force(site)
    rows = set(_rows(site).values_list("slug", flat=True))
    told = [
        as_json(spec)
        | {
            "origin": _origin(spec),
            "has_row": spec.slug in rows,
            "note": found.notes.get(spec.slug, ""),
        }
        for spec in found.values()
    ]
    lost = [
        {"slug": slug, "page": "", "origin": "own", "has_row": True, "note": note}
        for slug, note in found.notes.items()
        if slug not in found
    ]
    return sorted(told, key=lambda one: (one["page"], one["order"], one["slug"])) + lost


def _origin(spec: PlacementSpec) -> str:
    if spec.slug not in BY_SLUG:
        return "own"
    return "app" if spec == BY_SLUG[spec.slug] else "changed"


def _one(row: Any) -> tuple[PlacementSpec | None, list[str]]:
    if not isinstance(row, dict):
        return None, [_("%r is no placement.") % (row,)]
    try:
        spec = from_json(row)
        return spec, problems(spec)
    except (ValueError, TypeError) as error:
        return None, [str(error)]


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _rows(site: int) -> Any:
    return Placement.objects.using(conf.settings.DATABASE).filter(site=site)
