"""Writes an accepted suggestion into the shop's own product, where a plain path leads to a place for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from reco_plugin.catalog.paths import field_of, first_field
from reco_plugin.exceptions import NotApplied

MOST = 20_000
"""Rows of a related table that are looked through for the one that is meant."""
NAMES = ("name", "title", "label")


def fill(
    product: Any, path: str, value: str, *, called: Callable[[Any], str], separator: str = ""
) -> None:
    """Give `product` the `value` at `path`: a field of its own, or a row of a related table by its name.

    `called` says what a row of the related table is called; with a `separator` the row's own name
    is what stands behind the last one. Only what is empty is filled, and only that column is saved.
    Raises NotApplied.
    """
    first, _dot, rest = path.partition(".")
    field = field_of(type(product), first) if first else None
    if field is None or "." in rest:
        raise NotApplied(_no_place(product, path))
    if field.related_model is None:
        _fill_column(product, field, path, value)
        return
    if rest and field_of(field.related_model, rest) is None:
        raise NotApplied(_no_place(product, path))
    _demand_empty(product, field)
    row = _the_one(product, field, rest, value, called=called, separator=separator)
    if field.many_to_many:
        getattr(product, field.name).add(row)
    else:
        setattr(product, field.name, row)
        product.save(update_fields=[field.name])


def _fill_column(product: Any, field: models.Field[Any, Any], path: str, value: str) -> None:
    if path != field.name or isinstance(field, models.JSONField):
        raise NotApplied(_no_place(product, path))
    _demand_empty(product, field)
    try:
        cleaned = field.clean(value, product)
    except ValidationError as error:
        raise NotApplied(f"{field.name} cannot be {value!r}: {' '.join(error.messages)}") from error
    setattr(product, field.name, cleaned)
    product.save(update_fields=[field.name])


def _demand_empty(product: Any, field: models.Field[Any, Any]) -> None:
    """Raises NotApplied for a fact that somebody has filled in meanwhile."""
    if field.many_to_many:
        held = ", ".join(str(row) for row in getattr(product, field.name).all()[:3])
    else:
        known = getattr(product, field.attname)
        held = "" if known in (None, "") else str(getattr(product, field.name))
    if held:
        raise NotApplied(f"{field.name} is {held!r} already.")


def _the_one(
    product: Any,
    field: models.Field[Any, Any],
    name: str,
    value: str,
    *,
    called: Callable[[Any], str],
    separator: str,
) -> Any:
    """The row of the related table that is called `value`."""
    model: Any = field.related_model
    rows = model._default_manager.using(product._state.db).all()
    if name:
        found = list(rows.filter(**{name: value})[:2])
    else:
        own = value.rpartition(separator)[2] if separator else value
        found = list(_called(rows, own, value, called))
    if len(found) != 1:
        many = "no" if not found else "more than one"
        raise NotApplied(f"There is {many} {model._meta.verbose_name} called {value!r}.")
    return found[0]


def _called(rows: Any, own: str, value: str, called: Callable[[Any], str]) -> Iterator[Any]:
    """Rows called `value`: first among those whose column says so, else among all."""
    column = first_field(rows.model, NAMES)
    likely = rows.filter(**{column: own}) if column else rows.none()
    found = [row for row in likely if called(row) == value]
    yield from found or (row for row in rows[:MOST] if called(row) == value)


def _no_place(product: Any, path: str) -> str:
    where = f"its path {path!r} leads to none" if path else "the Catalog has no path for it"
    return (
        f"{type(product).__name__} has no plain field to put it in ({where}); "
        "override Catalog.apply_suggestion()."
    )
