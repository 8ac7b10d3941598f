"""Slices of the shop's shoppers and products: which requests are in which."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError
from scipy import sparse

from reco_plugin import conf
from reco_plugin.catalog.base import SEPARATOR
from reco_plugin.evaluation import slices
from reco_plugin.evaluation.slices import Part
from reco_plugin.exceptions import MappingError
from reco_plugin.jobs.comparison_devices import BY as DEVICE
from reco_plugin.jobs.comparison_devices import UNKNOWN, devices
from reco_plugin.jobs.comparison_log import DAY, Asked, Shop
from reco_plugin.models import Interaction
from reco_plugin.types import Features

MOST = 12
"""Categories and values of an attribute that are told of, the commonest first."""
BATCH = 1_000


def categories(features: Features | None) -> sparse.csr_matrix | None:
    """(n_items, c) of ones: the categories among the features."""
    columns = _top_level(features) if features is not None else []
    if features is None or not columns:
        return None
    found = features.matrix[:, [column for column, _ in columns]].tocsr()
    found.data = np.ones_like(found.data)
    return found if found.nnz else None


def parts(shop: Shop, asked: Asked, by: Sequence[str] = ()) -> list[Part]:
    """New, light and heavy shoppers; head, tail and new products; categories; devices; attributes of users.

    Raises MappingError for a field of users there is not.
    """
    fold = asked.fold
    found = slices.of_shoppers(fold) + slices.of_products(fold, new=_new(shop, asked))
    found += _by_category(shop, asked)
    found += slices.of_labels(DEVICE, devices(shop, asked))
    for name in dict.fromkeys(each for each in by if each != DEVICE):
        found += slices.of_labels(name, _labels(shop, asked, name), most=MOST)
    return found


def lacking(parts: Sequence[Part], by: Sequence[str]) -> list[str]:
    """What was asked for and cannot be told of, in words."""
    known = {part.by for part in parts}
    missing = [name for name in by if name not in known]
    return [UNKNOWN if name == DEVICE else _NOBODY.format(name) for name in missing]


_NOBODY = "Not sliced by {!r}: of none of these shoppers is it known."


def _new(shop: Shop, asked: Asked) -> Any:
    """(n_items,) there for less than RECO_NEW_DAYS at the first request, as the shop or its events say."""
    log, now = shop.log, asked.fold.requests.now
    if now is None or not len(now):
        return np.zeros(len(log.items), dtype=np.bool_)
    first = np.full(len(log.items), np.iinfo(np.int64).max)
    np.minimum.at(first, log.item, log.at)
    born = np.maximum(shop.since, 0)
    since = np.where(born > 0, np.minimum(born, first), first)
    return since > int(now.min()) - conf.settings.NEW_DAYS * DAY


def _top_level(features: Features) -> list[tuple[int, str]]:
    prefix = "category:"
    return [
        (column, name.removeprefix(prefix))
        for column, name in enumerate(features.names)
        if name.startswith(prefix) and SEPARATOR not in name
    ]


def _by_category(shop: Shop, asked: Asked) -> list[Part]:
    features = shop.material.features
    matrix = features.matrix.tocsc()
    found = []
    for column, name in _top_level(features):
        items = np.zeros(matrix.shape[0], dtype=np.bool_)
        items[matrix.indices[matrix.indptr[column] : matrix.indptr[column + 1]]] = True
        found.append(Part(by="category", name=name, rows=slices.wanting(asked.fold, items)))
    return sorted(found, key=lambda part: -int(part.rows.sum()))[:MOST]


def _labels(shop: Shop, asked: Asked, field: str) -> list[str]:
    """The user's `field` for each request; '' for a guest. Raises MappingError for a field there is not."""
    keys = [shop.log.shoppers.key(int(row)) for row in asked.owner]
    users = _users(shop.site, sorted({key for key in keys if isinstance(key, uuid.UUID)}))
    model = get_user_model()
    try:
        rows = model._default_manager.using(conf.settings.DATABASE).filter(
            pk__in=set(users.values())
        )
        values = dict(rows.values_list("pk", field.replace(".", "__")))
    except FieldError as error:
        raise MappingError(f"Shoppers cannot be sliced by {field!r}: {error}") from error
    told = [values.get(users.get(key)) for key in keys]
    return ["" if value is None else str(value) for value in told]


def _users(site: int, shoppers: list[uuid.UUID]) -> dict[Any, Any]:
    """Shopper → user, of those who were logged in."""
    found: dict[Any, Any] = {}
    rows = Interaction.objects.using(conf.settings.DATABASE).filter(site=site)
    for start in range(0, len(shoppers), BATCH):
        some = rows.filter(shopper__in=shoppers[start : start + BATCH], user__isnull=False)
        found |= dict(some.order_by().values_list("shopper", "user_id").distinct())
    return found
