"""Do the names a shop wrote exist, and if not, which did it mean?"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models


def class_texts(found: type, base: type) -> Iterator[tuple[str, str]]:
    """The text attributes that `base` declares, as `found` has them."""
    for name, default in vars(base).items():
        if isinstance(default, str) and not name.startswith("_"):
            yield name, getattr(found, name)


def broken_path(
    model: type[models.Model], names: Sequence[str], *, lookup: bool = False
) -> tuple[str, str] | None:
    """What is wrong with a path and the hint, or None; followed as far as fields tell the way."""
    at: type[models.Model] | None = model
    for name in names:
        if at is None:
            return None
        field = _field(at, name)
        if field is None:
            if not lookup and hasattr(at, name):
                return None
            hint = did_you_mean(name, [field.name for field in at._meta.get_fields()])
            return f"{at.__name__} has no {name!r}.", hint
        at = field.related_model if field.is_relation and name == field.name else None
    return None


def _field(model: type[models.Model], name: str) -> Any:
    if name == "pk":
        return model._meta.pk
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def did_you_mean(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else ""
