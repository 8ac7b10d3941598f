"""Why a product is shown, in a sentence a shopper may read: true, or nothing at all.

A machine reason is a word, or a word and what it is about: 'popular', 'bought_with:42', 'new_in:Boots'.
Sentences name products only by titles they are given, so that what must not be named is not; they say no
dates and count no days.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext_lazy as _

from reco_plugin import backends, conf
from reco_plugin.catalog.base import SEPARATOR
from reco_plugin.retrieval.facets import Facet
from reco_plugin.types import Key, SlateItem

ABOUT_A_PRODUCT: Mapping[str, Any] = MappingProxyType(
    {
        "bought_with": _("Often bought with %(title)s"),
        "viewed_after": _("Often looked at after %(title)s"),
        "bought_after_viewing": _("Often bought by those who looked at %(title)s"),
        "bought_after": _("Often bought after %(title)s"),
        "because_viewed": _("Because you viewed %(title)s"),
        "because_bought": _("Because you bought %(title)s"),
        "similar_to": _("Similar to %(title)s"),
        "looks_like": _("Looks like %(title)s"),
        "goes_with_look": _("Goes with the look of %(title)s"),
        "linked": _("Goes with %(title)s"),
    }
)
WITHOUT_A_TITLE: Mapping[str, Any] = MappingProxyType(
    {
        "bought_with": _("Often bought together"),
        "viewed_after": _("Others looked at this too"),
        "bought_after_viewing": _("Others bought this in the end"),
        "bought_after": _("Often bought next"),
        "because_viewed": _("Because of what you looked at"),
        "because_bought": _("Because of what you bought"),
        "similar_to": _("You may also like"),
        "looks_like": _("Looks similar"),
        "goes_with_look": _("Goes with the look"),
        "linked": _("Goes well with it"),
    }
)
ABOUT_A_CATEGORY: Mapping[str, Any] = MappingProxyType(
    {
        "popular_in": _("Popular in %(name)s"),
        "trending_in": _("Trending in %(name)s"),
        "converting_in": _("Often chosen in %(name)s"),
        "new_in": _("New in %(name)s"),
        "on_sale_in": _("Reduced in %(name)s"),
        "seldom_shown_in": _("Worth discovering in %(name)s"),
        "liked_category": _("Popular in %(name)s, which you like"),
    }
)
ABOUT_A_BRAND: Mapping[str, Any] = MappingProxyType(
    {"liked_brand": _("Popular from %(name)s, which you like")}
)
PLAIN: Mapping[str, Any] = MappingProxyType(
    {
        "taste": _("Picked for you"),
        "looks_like_photo": _("Looks like your photo"),
        "popular": _("Popular right now"),
        "trending": _("Trending now"),
        "converting": _("Often chosen by those who look at it"),
        "new": _("New"),
        "on_sale": _("Reduced"),
        "seldom_shown": _("Worth discovering"),
        "recent": _("You looked at this"),
        "looked_at_again": _("You looked at this more than once"),
        "wished_for": _("You wished for this"),
        "in_cart_before": _("It was in your cart"),
        "bought_before": _("You bought this before"),
        "due": _("Time to buy again"),
        "explore": _("New here"),
    }
)

OF_A_FACET: Mapping[str, Any] = MappingProxyType(
    {
        "liked": _("You said you like it"),
        "bought": _("From what you bought"),
        "looked_at": _("From what you looked at"),
        "popular": _("Popular right now"),
    }
)


def of_facet(facet: Facet) -> str:
    """Why a brand or a category is offered, in the language in force."""
    return str(OF_A_FACET.get(facet.reason, ""))


def sentence(item: SlateItem, titles: Mapping[Key, str] = MappingProxyType({})) -> str:
    """Why `item` is shown, in the language in force; '' where there is nothing true to say.

    `titles` are those of products that may be named, by key; see `names`.
    """
    word, _colon, about = item.reason.partition(":")
    if word in ABOUT_A_PRODUCT:
        return _of_product(word, about, titles)
    if word in ABOUT_A_CATEGORY:
        return _of_category(word, about, item)
    if word in ABOUT_A_BRAND:
        return str(ABOUT_A_BRAND[word] % {"name": about})
    return str(PLAIN[word]) if word in PLAIN and _holds(word, item) else ""


def names(reason: str) -> str:
    """The key, as text, of the product that a reason names; '' where it names none."""
    word, _colon, about = reason.partition(":")
    return about if word in ABOUT_A_PRODUCT else ""


def _of_product(word: str, about: str, titles: Mapping[Key, str]) -> str:
    title = next((title for key, title in titles.items() if str(key) == about), "")
    return str(ABOUT_A_PRODUCT[word] % {"title": title} if title else WITHOUT_A_TITLE[word])


def _of_category(word: str, path: str, item: SlateItem) -> str:
    """A category is named by the last part of its path, and not at all where it is sensitive."""
    plain = word.removesuffix("_in")
    if plain != word and not _holds(plain, item):
        return ""
    if is_sensitive(path):
        return str(PLAIN[plain]) if plain in PLAIN else ""
    return str(ABOUT_A_CATEGORY[word] % {"name": path.rpartition(SEPARATOR)[2]})


def is_sensitive(path: str) -> bool:
    """Would naming this category give a taste away?"""
    roots = tuple(conf.settings.SENSITIVE_CATEGORIES)
    return any(path == root or path.startswith(root + SEPARATOR) for root in roots)


def _holds(word: str, item: SlateItem) -> bool:
    """Is it still so of the live row? A price may have risen since the list was made."""
    return word != "on_sale" or backends.catalog().on_sale(item.product)
