"""Which rows of other tables belong to a product: variants, stock, prices, pictures, order lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from reco_plugin.catalog.scaffold.fields import Field, Model, fields_of, is_link
from reco_plugin.catalog.scaffold.words import VARIANT_WORDS, tokens

KEY_NAMES = ("product_id", "product_key", "product_code", "product_ref", "product_number", "product_sku",
             "article", "article_number", "item_id", "item_code", "sku", "product")  # fmt: skip
"""Columns that hold a product's key without saying so to the database."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """Rows of `model` that belong to a product."""

    model: Model
    path: str
    """Lookup from such a row to the product's key: 'product_id', 'variant__product_id', 'sku'."""
    accessors: tuple[str, ...] = ()
    """From a product to the rows: ('variants', 'prices'); () where there is no way."""
    is_one: bool = False
    """At most one row, read as an attribute."""
    is_soft: bool = False
    """Only the value says so: there is no foreign key."""
    generic: tuple[str, str] | None = None
    """(content type field, object id field) of a generic foreign key."""
    narrowed: str = ""
    """Condition that keeps rows of the product's sister models out; '' where there are none."""
    through: Model | None = field(default=None)
    """The variant in between."""

    @property
    def name(self) -> str:
        return self.model.__name__


def links(product: Model) -> list[Link]:
    """Foreign keys first, then generic ones, then by way of a variant, then by value alone."""
    direct = [*_direct(product), *_generic(product)]
    variants = [link for link in direct if tokens(link.name) & VARIANT_WORDS and not link.generic]
    far = [found for variant in variants for found in _through(variant)]
    known = {link.model for link in [*direct, *far]}
    soft = [link for link in _soft(product) if link.model not in known]
    return [*direct, *far, *soft]


def others(product: Model) -> Iterator[Model]:
    """Every other model of the project with a table of its own."""
    for model in product._meta.apps.get_models():
        if model is not product and not model._meta.proxy and model._meta.app_label != "reco":
            yield model


def family(product: Model) -> set[Model]:
    """The product, the parents it inherits a table from, and the children that inherit its table."""
    children = {model for model in others(product) if product in model._meta.get_parent_list()}
    return {product, *product._meta.get_parent_list(), *children}


def _direct(product: Model) -> Iterator[Link]:
    kin = family(product)
    for model in others(product):
        if model in kin:
            continue
        for found in fields_of(model):
            if is_link(found) and found.related_model in kin:
                yield Link(
                    model=model,
                    path=_key_path(found),
                    accessors=_accessors(product, found),
                    is_one=bool(found.one_to_one),
                    narrowed=_narrowed(product, found),
                )


def _narrowed(product: Model, found: Field) -> str:
    """A key of a parent table may be another child's: ask for the product's own row."""
    pointer: Field = product._meta.parents.get(found.related_model)
    if pointer is None:
        return ""
    return f"{found.name}__{pointer.remote_field.get_accessor_name()}__isnull=False"


def _through(variant: Link) -> Iterator[Link]:
    for model in others(variant.model):
        for found in fields_of(model):
            if is_link(found) and found.related_model is variant.model:
                accessors = _accessors(variant.model, found)
                yield Link(
                    model=model,
                    path=f"{found.name}__{variant.path}",
                    accessors=(*variant.accessors, *accessors)
                    if accessors and variant.accessors
                    else (),
                    through=variant.model,
                )


def _generic(product: Model) -> Iterator[Link]:
    for model in others(product):
        for found in model._meta.private_fields:
            if type(found).__name__ == "GenericForeignKey":
                yield Link(
                    model=model,
                    path=found.fk_field,
                    accessors=_generic_relation(product, model),
                    generic=(found.ct_field, found.fk_field),
                )


def _generic_relation(product: Model, model: Model) -> tuple[str, ...]:
    named = [
        found.name
        for found in product._meta.private_fields
        if type(found).__name__ == "GenericRelation" and found.related_model is model
    ]
    return tuple(named[:1])


def _soft(product: Model) -> Iterator[Link]:
    """A column named like the product's key, and of its type."""
    key: Field = product._meta.pk
    own = () if key.name in ("id", "pk", "code", "number") else (key.name,)
    for model in others(product):
        by_name = {found.name: found for found in fields_of(model)}
        for name in (*own, *KEY_NAMES):
            found = by_name.get(name)
            if found is not None and _same_type(found, key):
                yield Link(model=model, path=name, is_soft=True)
                break


def _same_type(one: Field, key: Field) -> bool:
    if one.is_relation or one.primary_key:
        return False
    kinds = (models.UUIDField, models.CharField, models.IntegerField)
    return any(isinstance(one, kind) and isinstance(key, kind) for kind in kinds)


def _key_path(found: Field) -> str:
    """'product_id' where that is the product's key, 'product__pk' where it is another column of it."""
    to_key = found.target_field.primary_key
    return str(found.attname) if to_key else f"{found.name}__pk"


def _accessors(target: Model, found: Field) -> tuple[str, ...]:
    name: Any = found.remote_field.get_accessor_name()
    return (str(name),) if name and hasattr(target, name) else ()
