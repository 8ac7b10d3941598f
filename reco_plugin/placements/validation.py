"""What is wrong with a placement, in words that a merchandiser understands."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from reco_plugin.models import Page
from reco_plugin.placements.conditions import (
    RELATIVE,
    filter_problems,
    guard_problems,
    is_number,
)
from reco_plugin.ranking.filters import is_of_page
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.types import Filter, PlacementSpec

MOST_ITEMS = 100
MOST_KINDS = 8
MOST_TITLE = 200
MOST_ORDER = 32_767
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,64}")
_WITHOUT_PRODUCT = ("home", "category", "search", "no_results", "account")
_WITH_SEVERAL = ("cart", "thanks")
ANCHORED = ("product", "basket")
"""What a kind may need that only some pages have."""


def problems(spec: PlacementSpec) -> list[str]:
    """Why this placement cannot be used, one sentence each; empty when it can be."""
    return [
        *_name_problems(spec),
        *_kind_problems(spec),
        *_size_problems(spec),
        *_share_problems(spec),
        *_cap_problems(spec),
        *guard_problems(spec.must_match, spec.must_differ, spec.filters),
        *filter_problems(spec.filters),
    ]


def advice(spec: PlacementSpec) -> list[str]:
    """What of this placement does nothing where it stands, or may surprise; it can be used all the same."""
    return [*_idle_fallback(spec), *_without_anchor(spec), *_size_advice(spec)]


# --- name and kinds ------------------------------------------------------------------------------


def _name_problems(spec: PlacementSpec) -> Iterator[str]:
    if not _SLUG.fullmatch(str(spec.slug)):
        yield _("A name has 1 to 64 letters, digits, hyphens or underscores.")
    if str(spec.slug) in KINDS:
        yield _("%(slug)r is a kind: {%% recommend %%} would show that. Choose another name.") % {
            "slug": spec.slug
        }
    if spec.page not in Page.values:
        yield _("%(page)r is no page; choose from %(known)s.") % {
            "page": spec.page,
            "known": ", ".join(Page.values),
        }
    title: Any = spec.title
    if not isinstance(title, str) or len(title) > MOST_TITLE:
        yield _("A heading is a text of at most %(most)s letters.") % {"most": MOST_TITLE}
    if not _is_count(spec.order) or spec.order > MOST_ORDER:
        yield _("The order is a whole number from 0 to %(most)s.") % {"most": MOST_ORDER}
    if not isinstance(spec.is_active, bool):
        yield _("Active is true or false, not %(value)r.") % {"value": spec.is_active}


def _kind_problems(spec: PlacementSpec) -> Iterator[str]:
    names = [share.kind for share in spec.kinds]
    if not names:
        yield _("Name at least one kind.")
    if len(names) > MOST_KINDS:
        yield _("A placement mixes at most %(most)s kinds.") % {"most": MOST_KINDS}
    yield from _unknown([*names, *spec.fallback])
    for share in spec.kinds:
        if not is_number(share.weight) or share.weight <= 0:
            yield _("%(kind)s: a weight is a number above 0, not %(weight)r.") % {
                "kind": share.kind,
                "weight": share.weight,
            }
    for name in _repeated(names):
        yield _("%(kind)s is named twice.") % {"kind": name}
    for name in _repeated(spec.fallback):
        yield _("The fallback names %(kind)s twice.") % {"kind": name}


def _unknown(names: Sequence[Any]) -> Iterator[str]:
    for name in dict.fromkeys(map(str, names)):
        if name not in KINDS:
            near = difflib.get_close_matches(name, KINDS, n=1)
            hint = _("did you mean %(near)r?") % {"near": near[0]} if near else ", ".join(KINDS)
            yield _("%(kind)r is no kind: %(hint)s") % {"kind": name, "hint": hint}


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for at, name in enumerate(names) if name in names[:at]]


# --- numbers -------------------------------------------------------------------------------------


def _size_problems(spec: PlacementSpec) -> Iterator[str]:
    if not _is_count(spec.max_items) or not 1 <= spec.max_items <= MOST_ITEMS:
        yield _("The most products are 1 to %(most)s.") % {"most": MOST_ITEMS}
    elif not _is_count(spec.min_items):
        yield _("The fewest products are a number from 0.")
    elif spec.min_items > spec.max_items:
        yield _(
            "At least %(least)s but at most %(most)s products: nothing would ever be shown."
        ) % {
            "least": spec.min_items,
            "most": spec.max_items,
        }
    if not _is_count(spec.rotate_after) or spec.rotate_after > MOST_ORDER:
        yield _("Rotation is a number of times, 0 for never.")


def _share_problems(spec: PlacementSpec) -> Iterator[str]:
    for name, value in ((_("Diversity"), spec.diversity), (_("Exploration"), spec.explore)):
        if not is_number(value) or not 0 <= value <= 1:
            yield _("%(name)s goes from 0 to 1, not %(value)r.") % {"name": name, "value": value}


def _cap_problems(spec: PlacementSpec) -> Iterator[str]:
    for name, most in spec.caps.items():
        if not str(name).strip() or name == "price":
            yield _("A cap is on 'brand', 'category' or an attribute, not on %(name)r.") % {
                "name": name
            }
        elif not _is_count(most) or most < 1:
            yield _("At most %(most)r of one %(name)s: a cap is a whole number from 1.") % {
                "most": most,
                "name": name,
            }


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# --- what does nothing ---------------------------------------------------------------------------


def _idle_fallback(spec: PlacementSpec) -> Iterator[str]:
    """What fills up by default is no mistake of anyone's."""
    names = {share.kind for share in spec.kinds}
    for name in spec.fallback:
        if name in names and spec.fallback != PlacementSpec.fallback:
            yield _("The fallback leads back to %(kind)s, which had its turn.") % {"kind": name}


def _without_anchor(spec: PlacementSpec) -> Iterator[str]:
    if spec.page not in _WITHOUT_PRODUCT:
        return
    page = Page(spec.page).label
    lost = [
        one.kind for one in spec.kinds if one.kind in KINDS and KINDS[one.kind].needs in ANCHORED
    ]
    if lost:
        yield _(
            "%(kinds)s: needs a product, which the page “%(page)s” has only if the tag names one."
        ) % {
            "kinds": ", ".join(lost),
            "page": page,
        }
    relative = [f"{one.field} {one.op}" for one in spec.filters if _is_idle(one, spec.page)]
    idle = [*spec.must_match, *spec.must_differ, *relative]
    if idle:
        yield _("Without a product to compare with, these do nothing: %(idle)s.") % {
            "idle": ", ".join(idle)
        }


def _is_idle(one: Filter, page: str) -> bool:
    return one.op in RELATIVE and not (page == Page.CATEGORY and is_of_page(one))


def _size_advice(spec: PlacementSpec) -> Iterator[str]:
    room = min((most for most in spec.caps.values() if _is_count(most)), default=MOST_ITEMS)
    if spec.page in _WITH_SEVERAL and spec.must_differ:
        yield _("With several products on the page, “must differ” looks at the first.")
    if spec.min_items > room > 0 and len(spec.caps) == 1:
        yield _(
            "At least %(least)s products, at most %(most)s of one %(name)s: a shop with one such value shows nothing."
        ) % {"least": spec.min_items, "most": room, "name": next(iter(spec.caps))}
