"""What stands above a slate: no more than what is in it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from reco_plugin.types import Rung, Slate

OF_KIND: Mapping[str, Any] = MappingProxyType(
    {
        "personal": _("Recommended for you"),
        "similar": _("You may also like"),
        "visually_similar": _("Looks similar"),
        "photo": _("Looks like your photo"),
        "shop_the_look": _("Complete the look"),
        "bought_together": _("Often bought together"),
        "viewed_viewed": _("Others also looked at"),
        "viewed_bought": _("What others bought in the end"),
        "bought_bought": _("Often bought next"),
        "because_you_viewed": _("Because of what you looked at"),
        "recently_viewed": _("You looked at these"),
        "continue_shopping": _("Continue where you left off"),
        "buy_again": _("Buy again"),
        "trending": _("Trending now"),
        "popular": _("Popular right now"),
        "best_converting": _("Often chosen"),
        "new_arrivals": _("New"),
        "on_sale": _("Reduced"),
        "long_tail": _("Worth discovering"),
        "manual": _("Goes well with it"),
    }
)


_AGAIN: Mapping[Rung, Any] = MappingProxyType(
    {
        Rung.PERSONAL: _("More for you"),
        Rung.CONTEXTUAL: _("More like this"),
        Rung.POPULAR_IN_CATEGORY: _("Also popular"),
        Rung.POPULAR: _("Also popular"),
    }
)


def heading(slate: Slate) -> str:
    """The merchandiser's, or that of the kind; where all is fallback, what is true of that."""
    if slate and slate.is_fallback:
        return _fallen_back(slate)
    if slate.title:
        return slate.title
    named = slate.titles.get(slate.anchor) if slate.anchor is not None else None
    if named:
        return gettext("Because you viewed %(title)s") % {"title": named}
    return str(OF_KIND.get(slate.kind, "")) or _of_rung(slate.rung)


def each_its_own(slates: Mapping[str, Slate]) -> dict[str, Slate]:
    """The slates of a page; what fell back to what another row says already is told to say it otherwise."""
    said = {heading(slate) for slate in slates.values() if slate and not slate.is_fallback}
    told = dict(slates)
    for name, slate in slates.items():
        if slate and slate.is_fallback:
            words = heading(slate)
            told[name] = replace(slate, is_repeated=words in said)
            said.add(words)
    return told


def _fallen_back(slate: Slate) -> str:
    if slate.is_repeated and slate.rung in _AGAIN:
        return str(_AGAIN[slate.rung])
    sources = {item.source for item in slate}
    return str(OF_KIND.get(sources.pop(), "") if len(sources) == 1 else "") or _of_rung(slate.rung)


def _of_rung(rung: Rung) -> str:
    if rung is Rung.PERSONAL:
        return gettext("Recommended for you")
    if rung is Rung.CONTEXTUAL:
        return gettext("You may also like")
    return gettext("Popular right now")
