"""The placements that come with the app, so that every page of a shop has something good from day zero.

A merchandiser's row of the same name takes the place of one. Headings are left to the kinds, which say
no more than is true, but where a spot wants another one.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, gettext_noop

from reco_plugin.types import Filter, KindShare, PlacementSpec

GUARDS = ("gender", "age_group")
"""Facts in which a like product must be like the one looked at, where the catalogue has them."""
WITHIN = (Filter(field="category", op="same"),)
"""A category's own page shows what is in it."""
_LOOK = {"category": 2}
"""A look of four products has several parts."""


def _spec(slug: str, order: int, *kinds: str | tuple[str, float], **rest: Any) -> PlacementSpec:
    """The page is the name's beginning, unless `page` says otherwise."""
    shares = tuple(
        KindShare(kind=kind) if isinstance(kind, str) else KindShare(kind=kind[0], weight=kind[1])
        for kind in kinds
    )
    page = rest.pop("page", slug.partition("_")[0])
    return PlacementSpec(slug=slug, page=page, order=order, kinds=shares, **rest)


_HOME = (
    _spec("home_continue", 10, "continue_shopping", max_items=6, fallback=()),
    _spec(
        "home_for_you",
        20,
        "personal",
        ("long_tail", 0.15),
        diversity=0.3,
        caps={"brand": 3},
        rotate_after=8,
        explore=0.1,
    ),
    _spec("home_because", 30, "because_you_viewed", min_items=2, diversity=0.2, fallback=()),
    _spec("home_buy_again", 40, "buy_again", fallback=()),
    _spec("home_trending", 50, "trending", caps={"brand": 3}),
    _spec("home_new", 60, "new_arrivals", min_items=2, caps={"brand": 3}, fallback=()),
    _spec("home_on_sale", 70, "on_sale", min_items=2, caps={"brand": 3}, fallback=()),
)

_CATEGORY = (
    _spec("category_best", 10, "best_converting", filters=WITHIN, caps={"brand": 4}),
    _spec("category_trending", 20, "trending", min_items=3, filters=WITHIN, fallback=()),
    _spec("category_new", 30, "new_arrivals", min_items=2, filters=WITHIN, fallback=()),
    _spec("category_recent", 40, "recently_viewed", fallback=()),
)

_PRODUCT = (
    _spec(
        "product_together",
        10,
        "manual",
        "bought_together",
        title=gettext_noop("Goes well with it"),
        max_items=4,
        must_match=GUARDS,
        must_differ=("category",),
        caps={"category": 2},
        fallback=("bought_bought",),
    ),
    _spec("product_look", 15, "shop_the_look", min_items=2, max_items=4, caps=_LOOK, fallback=()),
    # before the blend of likenesses, which would take what looks most alike
    _spec(
        "product_looks_alike",
        18,
        "visually_similar",
        min_items=2,
        must_match=("category", *GUARDS),
        fallback=(),
    ),
    _spec("product_similar", 20, "similar", must_match=("category", *GUARDS), diversity=0.1),
    _spec(
        "product_also_viewed",
        30,
        "viewed_viewed",
        ("viewed_bought", 0.5),
        title=gettext_noop("Others also looked at"),
        must_match=GUARDS,
        diversity=0.1,
        fallback=(),
    ),
    _spec("product_recent", 40, "recently_viewed", fallback=()),
)

_CART = (
    _spec(
        "cart_together",
        10,
        "manual",
        "bought_together",
        title=gettext_noop("Goes well with your cart"),
        max_items=4,
        caps={"category": 2},
        fallback=("bought_bought", "personal"),
    ),
    _spec("cart_look", 15, "shop_the_look", min_items=2, max_items=4, caps=_LOOK, fallback=()),
    _spec("cart_recent", 20, "recently_viewed", fallback=()),
)

_THANKS = (
    _spec(
        "thanks_next",
        10,
        ("bought_bought", 2.0),
        "bought_together",
        title=gettext_noop("You may need this next"),
        fallback=("personal",),
        diversity=0.2,
    ),
    _spec("thanks_trending", 20, "trending", caps={"brand": 3}),
)

_SEARCH = (
    _spec("search_for_you", 10, "personal", diversity=0.2, caps={"brand": 3}),
    _spec("search_recent", 20, "recently_viewed", fallback=()),
    _spec(
        "no_results_trending",
        10,
        "trending",
        page="no_results",
        caps={"brand": 3},
        diversity=0.2,
    ),
    _spec(
        "no_results_for_you",
        20,
        "personal",
        ("best_converting", 0.3),
        page="no_results",
        diversity=0.3,
    ),
)

_ACCOUNT = (
    _spec("account_buy_again", 10, "buy_again", fallback=()),
    _spec("account_for_you", 20, "personal", diversity=0.3, caps={"brand": 3}, rotate_after=8),
    _spec("account_recent", 30, "recently_viewed", fallback=()),
)

_EMAIL = (
    _spec("email_for_you", 10, "personal", max_items=6, diversity=0.3, caps={"brand": 2}),
    _spec("email_buy_again", 20, "buy_again", max_items=4, fallback=()),
    _spec("email_new", 30, "new_arrivals", max_items=4, min_items=2, fallback=()),
)

PRESETS: tuple[PlacementSpec, ...] = (
    *_HOME,
    *_CATEGORY,
    *_PRODUCT,
    *_CART,
    *_THANKS,
    *_SEARCH,
    *_ACCOUNT,
    *_EMAIL,
)
"""What is in force where the shop has no row of that name."""

BY_SLUG = {spec.slug: spec for spec in PRESETS}
_HEADINGS = frozenset(spec.title for spec in PRESETS if spec.title)


def heading(title: str) -> str:
    """A placement's heading in the language in force: ours is translated, a shop's own is left alone."""
    return gettext(title) if title in _HEADINGS else title
