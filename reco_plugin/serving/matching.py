"""Products that may be shown and are what was wished for: in a category, of a brand, of a colour."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connections
from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast

from reco_plugin.catalog.base import SEPARATOR
from reco_plugin.models import Item
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.compiled import Kept
from reco_plugin.serving.eligibility import Eligibility
from reco_plugin.serving.shared import Shared


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What products must be like, by what the last sync knows of them. Nothing wished for: all are."""

    category: Any = ""
    """A path, 'Women > Shoes': that category and all below it."""
    match: Mapping[str, str] = field(default_factory=dict)
    """'brand', or the name of a Catalog attribute, → the value it must have."""

    def __bool__(self) -> bool:
        return bool(self.category or self.match)


class Matching(Eligibility):
    """Eligibility, narrowed by a wish. `Shared` must not be shared with questions that wish for other things."""

    def __init__(self, ask: Ask, shared: Shared, wish: Wish) -> None:
        self._wish = wish
        super().__init__(ask, shared)

    def _recall(self) -> Kept | None:
        return None if self._wish else super()._recall()

    def _narrowed(self, sensitive: bool, shows_bought: bool) -> QuerySet[Any]:
        queryset = super()._narrowed(sensitive, shows_bought)
        if not self._wish:
            return queryset
        return queryset.filter(Exists(_items(self._wish, self._ask.using)))


def _items(wish: Wish, using: str) -> QuerySet[Item]:
    items = Item.objects.filter(pk=OuterRef("pk"))
    if wish.category:
        vendor = connections[using].vendor
        paths = Cast("categories", TextField())
        items = items.alias(paths=paths).filter(_inside(str(wish.category), vendor))
    for at, (name, value) in enumerate(wish.match.items()):
        if name == "brand":
            items = items.filter(brand=value)
        else:
            own = f"match{at}"
            items = items.alias(**{own: KeyTransform(name, "attributes")}).filter(**{own: value})
    return items


def _inside(path: str, vendor: str) -> Q:
    """Of a JSON list of paths as the database writes it: PostgreSQL keeps letters, others escape them."""
    said = json.dumps(path, ensure_ascii=vendor != "postgresql")[:-1]
    below = json.dumps(SEPARATOR, ensure_ascii=False)[1:-1]
    return Q(paths__contains=f'{said}"') | Q(paths__contains=f"{said}{below}")
