"""Dotted paths from one instance to a value: 'brand.name', 'categories.all'."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models

from reco_plugin.exceptions import MappingError


def follow(instance: Any, path: str) -> Any:
    """The value at `path`, or None where a relation on the way is empty.

    Raises MappingError when a name on the path does not exist.
    """
    value = instance
    for name in path.split("."):
        if value is None:
            return None
        try:
            value = getattr(value, name)
        except ObjectDoesNotExist:
            return None
        except AttributeError:
            raise MappingError(
                f"{type(value).__name__} has no attribute {name!r} (from the path {path!r}); "
                f"name a field or property that exists, or override the method."
            ) from None
        if callable(value) and not isinstance(value, models.Manager):
            value = value()
    return value


def first_field(model: type[models.Model], names: tuple[str, ...]) -> str:
    """The first of `names` that is a concrete field of `model`, or ''."""
    for name in names:
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        if field.concrete:
            return name
    return ""
