"""A filled slate → the answer, with what a page needs to show it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import Model

from reco_plugin import placements
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.reasons import names
from reco_plugin.serving.shared import Shared
from reco_plugin.types import Key, Rung, Slate


def answer(ask: Ask, filling: Filling, shared: Shared) -> Slate:
    """The slate; an empty one where fewer products were found than the placement asks for."""
    fewest = min(ask.spec.min_items, ask.limit)
    if 0 < len(filling.items) < fewest:
        filling.note(f"only {len(filling.items)} of at least {fewest} products")
        filling.give_back()
    if not filling.items and not filling.notes:
        filling.note("nothing of what was found may be shown here")
    best = filling.items[0] if filling.items else None
    return Slate(
        id=uuid.uuid4(),
        placement=ask.placement,
        kind=ask.kind,
        items=tuple(filling.items),
        rung=best.rung if best else Rung.NOTHING,
        run=best.run if best else None,
        site=ask.of.site,
        shopper=ask.of.shopper.id if ask.of.shopper else None,
        notes=tuple(filling.notes),
        timings={name: 1_000 * spent for name, spent in filling.timings.items()},
        title=placements.heading(ask.spec.title) if ask.spec.title else "",
        anchor=filling.anchor if best else None,
        titles=_titles(ask, filling, shared),
    )


def empty(name: str, placement: str, note: str) -> Slate:
    """An honest nothing."""
    return Slate(
        id=uuid.uuid4(),
        placement=placement or name,
        kind=name,
        items=(),
        rung=Rung.NOTHING,
        notes=(note,),
    )


def _titles(ask: Ask, filling: Filling, shared: Shared) -> dict[Key, str]:
    """Of the products that reasons name and that were read anyway; what is sensitive is never read."""
    wanted = {names(item.reason) for item in filling.items} - {""}
    if filling.anchor is not None:
        wanted.add(str(filling.anchor))
    if not wanted:
        return {}
    catalog = ask.of.catalog
    found = {key: each for key, each in _at_hand(ask, shared) if str(key) in wanted}
    return {key: str(catalog.value(each, "title") or each) for key, each in found.items()}


def _at_hand(ask: Ask, shared: Shared) -> Iterable[tuple[Key, Any]]:
    if isinstance(ask.of.product, Model):
        yield ask.of.product.pk, ask.of.product
    for rows in list(shared.rows.values()):
        yield from ((key, row[0]) for key, row in rows.items() if row is not None)
