"""Conditions a product must meet: fixed ones, and ones against the page's product.

A fixed condition ('price at_most 50') is not met by a product of which the fact is unknown; one that
only rules something out ('brand is_not Acme') is. A condition against the page's product ('price
within 0.2') is met where either side is unknown, and everywhere when the page has no product; but
'category same' holds what is on a category's own page to that category. A condition that makes no
sense is met by nothing: what it was to keep out stays out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from reco_plugin.ranking import fields
from reco_plugin.types import Filter, ItemFacts

Test: TypeAlias = Callable[[ItemFacts | None], bool]

FIXED = ("is", "is_not", "in", "not_in", "at_least", "at_most")
RELATIVE = ("same", "differs", "within", "cheaper", "dearer")


class Filters:
    """The filters of one placement on one page, which may have a product or a category of its own."""

    def __init__(
        self, filters: Sequence[Filter], anchor: ItemFacts | None = None, category: str = ""
    ) -> None:
        self._tests = [(named(one), question(one, anchor, category)) for one in filters]

    def __bool__(self) -> bool:
        return bool(self._tests)

    def broken(self, facts: ItemFacts | None) -> str:
        """The first condition that is not met, in words such as 'price within 0.2', or ''."""
        return next((name for name, passes in self._tests if not passes(facts)), "")


def named(one: Filter) -> str:
    """A filter in words."""
    return f"{one.field} {one.op}" + ("" if one.value is None else f" {one.value}")


def question(one: Filter, anchor: ItemFacts | None = None, category: str = "") -> Test:
    """A filter as a question to a product."""
    if one.op in RELATIVE and anchor is not None:
        return _relative(one, anchor)
    if one.op in RELATIVE:
        return _within(category) if category and is_of_page(one) else _everything
    if one.op in ("at_least", "at_most"):
        return _bound(one)
    if one.op in FIXED:
        return _membership(one)
    return _nothing


def is_of_page(one: Filter) -> bool:
    """'category same': the one condition that a category's own page can be compared with."""
    return one.op == "same" and one.field == "category"


def _everything(facts: ItemFacts | None) -> bool:
    return True


def _nothing(facts: ItemFacts | None) -> bool:
    return False


# --- fixed ---------------------------------------------------------------------------------------


def _membership(one: Filter) -> Test:
    wanted = frozenset(listed(one.field, one.value))
    if not wanted:
        return _nothing
    if one.op in ("is", "in"):
        return lambda facts: bool(_held(facts, one.field) & wanted)
    return lambda facts: not _held(facts, one.field) & wanted


def _held(facts: ItemFacts | None, field: str) -> frozenset[str]:
    """A product of 'Women > Shoes' is in 'Women', too."""
    return fields.filed(facts) if field == "category" else fields.said(facts, field)


def listed(field: str, value: Any) -> list[str]:
    """What 'is' and 'in' compare a product's values with; nothing where `value` says nothing."""
    several = isinstance(value, list | tuple | set | frozenset)
    values = [each for each in (value if several else [value]) if each is not None]
    if field == "price":
        return [repr(found) for each in values if (found := fields.finite(each)) is not None]
    if field == "adult":
        return ["yes" if fields.is_yes(each) else "no" for each in values]
    return [folded for each in values if (folded := fields.folded(each))]


def _bound(one: Filter) -> Test:
    bound = fields.finite(one.value)
    if bound is None:
        return _nothing
    sign = 1 if one.op == "at_least" else -1

    def within(facts: ItemFacts | None) -> bool:
        found = fields.number(facts, one.field)
        return found is not None and sign * found >= sign * bound

    return within


# --- against the page's product ------------------------------------------------------------------


def _within(category: str) -> Test:
    """In the page's category or anywhere below it."""
    wanted = fields.folded(category)
    return lambda facts: not (held := fields.filed(facts)) or wanted in held


def _relative(one: Filter, anchor: ItemFacts) -> Test:
    if one.op == "same":
        wanted = fields.said(anchor, one.field)
        return lambda facts: _met(wanted, fields.said(facts, one.field), shared=True)
    if one.op == "differs":
        unwanted = fields.echoes(anchor, one.field)
        return lambda facts: _met(unwanted, fields.echoes(facts, one.field), shared=False)
    return _compared(one, anchor)


def _met(own: frozenset[str], other: frozenset[str], *, shared: bool) -> bool:
    return not own or not other or bool(own & other) is shared


def _compared(one: Filter, anchor: ItemFacts) -> Test:
    own = fields.number(anchor, one.field)
    if own is None:
        return _everything
    share = fields.finite(one.value)
    if one.op == "within" and (share is None or share < 0):
        return _nothing
    passes = _COMPARISONS[one.op]

    def compared(facts: ItemFacts | None) -> bool:
        found = fields.number(facts, one.field)
        return found is None or passes(found, own, share or 0.0)

    return compared


_COMPARISONS: Mapping[str, Callable[[float, float, float], bool]] = {
    "within": lambda found, own, share: abs(found - own) <= abs(own) * share + 1e-9,
    "cheaper": lambda found, own, share: found < own,
    "dearer": lambda found, own, share: found > own,
}
