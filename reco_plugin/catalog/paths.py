"""Dotted paths from one instance to a value: 'brand.name', 'categories.all'."""

from __future__ import annotations

from typing import Any, cast

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
    """The first of `names` that `model` declares as a field of its own, or ''."""
    return next((name for name in names if field_of(model, name)), "")


def field_of(model: type[models.Model], name: str) -> models.Field[Any, Any] | None:
    """The field, plain, foreign key or many-to-many, that `model` itself declares as `name`."""
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    own = field.concrete or (field.many_to_many and not field.auto_created)
    return cast("models.Field[Any, Any]", field) if own else None


def is_relation(model: type[models.Model], name: str) -> bool:
    """Does the attribute `name` lead to other rows, from here or from there?"""
    fields: list[Any] = [each for each in model._meta.get_fields() if each.is_relation]
    return name in {
        each.get_accessor_name() if each.auto_created and not each.concrete else each.name
        for each in fields
    }


def first_text(instance: models.Model, names: tuple[str, ...]) -> str:
    """What to call an instance: its own `__str__`, else the first of `names` that it has a text in.

    Django's own `__str__` says 'Category object (3)', which is nobody's name.
    """
    if type(instance).__str__ is not models.Model.__str__:
        return str(instance)
    name = first_field(type(instance), names)
    return str(getattr(instance, name) if name else instance)
