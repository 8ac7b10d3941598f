"""Whatever a shop hands us (an instance, a key, its text) → the product's primary key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from reco_plugin.types import Key


def key_of(model: type[models.Model], value: Any) -> Key | None:
    """The primary key of `value`, in the type the shop gave it; None when it is none."""
    raw = value.pk if isinstance(value, models.Model) else value
    if raw is None or raw == "":
        return None
    try:
        key: Key = model._meta.pk.to_python(raw)
    except (ValidationError, TypeError, ValueError):
        return None
    return key


def keys_in_order(model: type[models.Model], values: Iterable[Any]) -> tuple[Key, ...]:
    """The primary keys of `values`, each once; what is no key is left out."""
    found = (key_of(model, value) for value in values)
    return tuple(dict.fromkeys(key for key in found if key is not None))


def keys_of(model: type[models.Model], values: Iterable[Any]) -> frozenset[Key]:
    """The primary keys of `values`; what is no key is left out."""
    return frozenset(keys_in_order(model, values))
