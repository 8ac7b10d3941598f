"""What a product's facts say of one field, in a form that two products can be compared by.

A field is 'brand', 'category', 'tag', 'price' or the name of an attribute. Texts are compared without
regard to case. A category is compared by its leaves: a product filed under 'Women' and 'Women > Shoes'
is a shoe, and shares nothing with a product of 'Women > Hats'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from reco_plugin.types import ItemFacts

SEPARATOR = " > "
NOTHING: frozenset[str] = frozenset()
_YES = frozenset({"yes", "y", "true", "1", "on"})


def said(facts: ItemFacts | None, field: str) -> frozenset[str]:
    """The values of `field`, folded to one case; empty where nothing is known.

    'adult' is never unknown: what nobody marked as adult is not.
    """
    if field == "adult":
        return _yes_or_no(_attribute(facts, field))
    if facts is None:
        return NOTHING
    if field in _READ:
        return _READ[field](facts)
    return _texts((_attribute(facts, field),))


def echoes(facts: ItemFacts | None, field: str) -> frozenset[str]:
    """What another product must share nothing of in order to differ in `field`.

    Of a category also its bare name: boots under 'Sale' and boots under 'Shoes' are both boots.
    """
    if field != "category":
        return said(facts, field)
    paths = leaves(facts.categories) if facts else NOTHING
    return paths | {path.rpartition(SEPARATOR)[2] for path in paths}


def filed(facts: ItemFacts | None) -> frozenset[str]:
    """Every category path that holds the product, those above its own among them."""
    return scopes(facts.categories) if facts else NOTHING


def number(facts: ItemFacts | None, field: str) -> float | None:
    """The price, or an attribute that is a number; None for what is unknown or none."""
    if facts is None:
        return None
    return finite(facts.price if field == "price" else facts.attributes.get(field))


def finite(value: Any) -> float | None:
    """`value` as a finite number, or None."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def is_yes(value: Any) -> bool:
    """Does a text or a truth value say yes?"""
    return folded(value) in _YES


def folded(value: Any) -> str:
    """A value as it is compared."""
    return str(value).strip().casefold()


@lru_cache(maxsize=4096)
def leaves(paths: tuple[str, ...]) -> frozenset[str]:
    """The paths that no other one of `paths` lies below, folded."""
    own = frozenset(_folded_paths(paths))
    above = {parent for path in own for parent in _above(path)}
    return own - above


@lru_cache(maxsize=4096)
def scopes(paths: tuple[str, ...]) -> frozenset[str]:
    """The paths and all paths above them, folded."""
    own = frozenset(_folded_paths(paths))
    return own.union(parent for path in own for parent in _above(path))


def _folded_paths(paths: Iterable[str]) -> Iterable[str]:
    return (path for path in map(folded, paths) if path)


def _above(path: str) -> list[str]:
    names = path.split(SEPARATOR)
    return [SEPARATOR.join(names[:depth]) for depth in range(1, len(names))]


def _attribute(facts: ItemFacts | None, field: str) -> str:
    """A shop may have said numbers and truth values where texts are meant."""
    value: Any = facts.attributes.get(field) if facts else None
    return "" if value is None else str(value)


@lru_cache(maxsize=4096)
def _texts(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(found for value in values if (found := folded(value)))


@lru_cache(maxsize=64)
def _yes_or_no(value: str) -> frozenset[str]:
    return frozenset({"yes" if is_yes(value) else "no"})


def _price(facts: ItemFacts) -> frozenset[str]:
    return NOTHING if facts.price is None else frozenset({repr(float(facts.price))})


_READ: Mapping[str, Callable[[ItemFacts], frozenset[str]]] = {
    "brand": lambda facts: _texts((facts.brand,)),
    "category": lambda facts: leaves(facts.categories),
    "tag": lambda facts: _texts(facts.tags),
    "price": _price,
}
