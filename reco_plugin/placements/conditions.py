"""What is wrong with the filters and guards of a placement, in words for the merchandiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from reco_plugin.ranking.filters import listed
from reco_plugin.types import Filter

FIXED = ("is", "is_not", "in", "not_in", "at_least", "at_most")
"""Compare with `value`."""
RELATIVE = ("same", "differs", "within", "cheaper", "dearer")
"""Compare with the page's product."""
OPS = (*FIXED, *RELATIVE)
OF_PRICE = ("at_least", "at_most", "within", "cheaper", "dearer")
SEVERAL = ("category", "tag")
"""Fields of which a product may have several values."""
WIDEST = 5.0


def filter_problems(filters: Sequence[Filter]) -> Iterator[str]:
    """What no filter can mean, then what they exclude together."""
    sound = []
    for condition in filters:
        found = list(_one(condition))
        yield from found
        if not found:
            sound.append(condition)
    yield from _together(sound)


def guard_problems(
    must_match: Sequence[str], must_differ: Sequence[str], filters: Sequence[Filter]
) -> Iterator[str]:
    """Unusable names, and what contradicts."""
    for names in (must_match, must_differ):
        for name in names:
            if not _is_name(name):
                yield _("A guard is the name of a fact, such as 'gender'; %(name)r is none.") % {
                    "name": name
                }
            elif name == "price":
                yield _("Prices are never just equal: use a filter such as price within 0.2.")
    opposed = {"same": set(must_match), "differs": set(must_differ)}
    for condition in filters:
        if condition.op in ("same", "differs") and _is_name(condition.field):
            opposed[condition.op].add(condition.field)
    for name in sorted(opposed["same"] & opposed["differs"]):
        yield _("%(name)s must match and must differ: no product does both.") % {"name": name}


# --- one condition -------------------------------------------------------------------------------


def _one(condition: Filter) -> Iterator[str]:
    field, op, value = condition.field, condition.op, condition.value
    if not _is_name(field):
        yield _("A filter's field is 'price', 'brand', 'category', 'tag' or an attribute.")
    elif op not in OPS:
        yield _("Filter on %(field)s: %(op)r is unknown; choose from %(known)s.") % {
            "field": field,
            "op": op,
            "known": ", ".join(OPS),
        }
    elif op in OF_PRICE and field != "price":
        yield _("Filter on %(field)s: %(op)s only goes with price.") % {"field": field, "op": op}
    elif op in ("same", "differs") and field == "price":
        yield _("Filter on price: use 'within', e.g. 0.2 for 20 %% dearer or cheaper.") % {}
    elif words := _VALUES[op](value):
        yield _("Filter %(field)s %(op)s: %(words)s") % {"field": field, "op": op, "words": words}


def _any_value(value: Any) -> str:
    is_sound = isinstance(value, str | int | float) and str(value).strip() != ""
    return "" if is_sound else _("name a value.")


def _list(value: Any) -> str:
    is_sound = isinstance(value, list | tuple) and value and not any(map(_any_value, value))
    return "" if is_sound else _("name a list of values, e.g. ['Acme', 'Best'].")


def _amount(value: Any) -> str:
    return "" if is_number(value) and value >= 0 else _("name a price.")


def _share(value: Any) -> str:
    if not is_number(value) or value <= 0:
        return _("name a share above 0, e.g. 0.2 for 20 %.")
    return "" if value <= WIDEST else _("a share is meant: 0.2 for 20 %.")


def _none(value: Any) -> str:
    return "" if value in (None, "") else _("it takes no value: it looks at the page's product.")


_VALUES: Mapping[str, Callable[[Any], str]] = {
    "is": _any_value,
    "is_not": _any_value,
    "in": _list,
    "not_in": _list,
    "at_least": _amount,
    "at_most": _amount,
    "within": _share,
    "same": _none,
    "differs": _none,
    "cheaper": _none,
    "dearer": _none,
}


# --- all of them ---------------------------------------------------------------------------------


def _together(filters: Sequence[Filter]) -> Iterator[str]:
    fields = sorted({condition.field for condition in filters})
    for field in fields:
        mine = [condition for condition in filters if condition.field == field]
        if _excludes_all(field, mine):
            yield _("The filters on %(field)s exclude every product.") % {"field": field}


def _excludes_all(field: str, filters: Sequence[Filter]) -> bool:
    ops = {condition.op for condition in filters}
    if {"cheaper", "dearer"} <= ops or {"same", "differs"} <= ops:
        return True
    return _leaves_no_value(field, filters) or _leaves_no_price(filters)


def _leaves_no_value(field: str, filters: Sequence[Filter]) -> bool:
    """`is`, `in` and their contraries: what is wanted of the field, less what is not."""
    wanted = [_values(one) for one in filters if one.op in ("is", "in")]
    unwanted = set().union(*(_values(one) for one in filters if one.op in ("is_not", "not_in")))
    if field in SEVERAL:
        return any(values <= unwanted for values in wanted)
    return bool(wanted) and not set.intersection(*wanted) - unwanted


def _values(condition: Filter) -> set[str]:
    """As they are compared: 'Acme' is 'ACME', and 10 is 10.0."""
    return set(listed(condition.field, condition.value))


def _leaves_no_price(filters: Sequence[Filter]) -> bool:
    least = [one.value for one in filters if one.op == "at_least"]
    most = [one.value for one in filters if one.op == "at_most"]
    return bool(least and most) and max(least) > min(most)


def is_number(value: Any) -> bool:
    """A finite one, and no truth value."""
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and math.isfinite(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= 64
