"""A shop's own Placement rows, laid over those that come with the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reco_plugin import conf
from reco_plugin.models import Placement
from reco_plugin.placements.plain import FIELDS, from_json
from reco_plugin.placements.presets import BY_SLUG
from reco_plugin.placements.validation import problems
from reco_plugin.types import PlacementSpec


class InForce(dict[str, PlacementSpec]):
    """The placements of a site by name, drafts among them."""

    def __init__(self, found: Mapping[str, PlacementSpec], notes: Mapping[str, str]) -> None:
        super().__init__(found)
        self.notes = notes
        """Why a row was passed over, by its name; the one that comes with the app stands in for it."""


def in_force(site: int, using: str | None = None) -> InForce:
    """Every placement of a site by name, in one statement. A row that cannot be used is passed over."""
    found = dict(BY_SLUG)
    notes: dict[str, str] = {}
    rows = Placement.objects.using(using or conf.settings.DATABASE).filter(site=site)
    for row in rows.order_by():
        spec, wrong = read(row)
        if spec is not None:
            found[row.slug] = spec
            continue
        notes[row.slug] = " ".join(wrong)
        if row.slug in found:
            found[row.slug] = replace(found[row.slug], is_active=row.is_active)
    return InForce(found, notes)


def on_page(site: int, page: str, using: str | None = None) -> list[PlacementSpec]:
    """The active placements of a page of a site, in the order in which they choose."""
    return of_page(in_force(site, using), page)


def of_page(found: Mapping[str, PlacementSpec], page: str) -> list[PlacementSpec]:
    """Those of a page among `found`, as `on_page`."""
    mine = [spec for spec in found.values() if spec.page == page and spec.is_active]
    return sorted(mine, key=lambda spec: (spec.order, spec.slug))


def read(row: Placement) -> tuple[PlacementSpec | None, list[str]]:
    """What ranking understands of a row; or None, and why."""
    try:
        spec = spec_of(row)
        wrong = problems(spec)
    except (ValueError, TypeError) as error:
        return None, [str(error)]
    return (None, wrong) if wrong else (spec, [])


def spec_of(row: Placement) -> PlacementSpec:
    """A row as ranking understands it. Raises ValueError where its JSON is not what it should be."""
    return from_json({name: getattr(row, name) for name in FIELDS})
