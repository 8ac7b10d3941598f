"""Which field of a model goes by one of the usual names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db import models

from reco_plugin.catalog.scaffold.guess import Sure
from reco_plugin.catalog.scaffold.words import CENTS, tokens

Model: TypeAlias = type[models.Model]
Field: TypeAlias = Any
Wanted: TypeAlias = Callable[[Field], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Picked:
    """The best field, how sure, and those that would do too."""

    field: Field
    sure: Sure
    others: tuple[str, ...]

    @property
    def name(self) -> str:
        return str(self.field.name)


def fields_of(model: Model) -> list[Field]:
    """Plain fields, foreign keys and many-to-many, inherited ones too; links to parents left out."""
    found: list[Field] = []
    for field in model._meta.get_fields():
        own = field.concrete or (field.many_to_many and not field.auto_created)
        link = getattr(getattr(field, "remote_field", None), "parent_link", False)
        if own and not link:
            found.append(field)
    return found


def pick(
    model: Model, names: Iterable[str], wanted: Wanted, never: frozenset[str] = frozenset()
) -> Picked | None:
    """The field of the first of `names` that `wanted` accepts; else one whose name holds such a word.

    A name with a word of `never` in it is taken only when it is exactly one of `names`.
    """
    fields = [field for field in fields_of(model) if wanted(field)]
    by_name = {field.name: field for field in fields}
    exact = [by_name[name] for name in names if name in by_name]
    loose = [
        field
        for name in names
        for field in fields
        if field not in exact and _resembles(field.name, name) and not tokens(field.name) & never
    ]
    found = list(dict.fromkeys([*exact, *loose]))
    if not found:
        return None
    return Picked(
        field=found[0],
        sure="sure" if exact else "likely",
        others=tuple(field.name for field in found[1:5]),
    )


def _resembles(name: str, usual: str) -> bool:
    return len(usual) > 3 and tokens(usual) <= tokens(name)


def computed(model: Model, names: Iterable[str]) -> str:
    """The first of `names` that is a property, or a method that asks for nothing; '' for none."""
    return next((name for name in names if _is_computed(model, name)), "")


def _is_computed(model: Model, name: str) -> bool:
    found = inspect.getattr_static(model, name, None)
    if found is None or isinstance(found, models.Manager):
        return False
    if inspect.isfunction(found):
        asked = list(inspect.signature(found).parameters.values())[1:]
        return all(one.default is not one.empty or one.kind in (2, 4) for one in asked)
    return isinstance(found, property) or type(found).__name__.endswith(
        ("cached_property", "TranslatedFieldDescriptor")
    )


# --- what kind of field it is ------------------------------------------------------------------------


def is_text(field: Field) -> bool:
    """A text of its own: no choices, no address, no file."""
    if not isinstance(field, models.CharField | models.TextField) or field.choices:
        return False
    return not isinstance(field, models.URLField | models.SlugField | models.EmailField)


def is_label(field: Field) -> bool:
    """A text, or one of a list of choices."""
    return isinstance(field, models.CharField | models.TextField) and not isinstance(
        field, models.URLField
    )


def is_number(field: Field) -> bool:
    return isinstance(field, models.DecimalField | models.FloatField) or is_integer(field)


def is_integer(field: Field) -> bool:
    return isinstance(field, models.IntegerField) and not field.primary_key and not field.choices


def is_boolean(field: Field) -> bool:
    return isinstance(field, models.BooleanField)


def is_moment(field: Field) -> bool:
    return isinstance(field, models.DateField)  # a DateTimeField is one


def is_link(field: Field) -> bool:
    """A foreign key to one model (not a parent link, not generic)."""
    return isinstance(field, models.ForeignKey) and isinstance(field.related_model, type)


def is_cents(field: Field) -> bool:
    """A whole number of the small coin."""
    told = f"{field.name} {field.verbose_name} {field.help_text}"
    return is_integer(field) and bool(tokens(told) & CENTS)


def is_money(field: Field) -> bool:
    """django-money's, which reads as an amount with a currency."""
    return any(base.__name__ == "MoneyField" for base in type(field).__mro__)
