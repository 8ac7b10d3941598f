"""The arguments of `recommend` → one settled question."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import models
from django.http import HttpRequest

from reco_plugin import backends, capture, conf
from reco_plugin.bounded import savepoint
from reco_plugin.catalog import Catalog
from reco_plugin.serving.keys import key_of, keys_of
from reco_plugin.types import Key, Rung, Shopper

logger = logging.getLogger(__name__)

T = TypeVar("T")

KINDS = {
    "personal": (Rung.PERSONAL, Rung.CONTEXTUAL, Rung.POPULAR_IN_CATEGORY, Rung.POPULAR),
    "similar": (Rung.CONTEXTUAL, Rung.POPULAR_IN_CATEGORY, Rung.POPULAR),
    "popular": (Rung.POPULAR_IN_CATEGORY, Rung.POPULAR),
}
"""The ladder of each kind of slate, best rung first."""

MOST = 100
"""Products in one slate, at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """What is asked, by whom, about what, and what must not be in the answer."""

    kind: str
    site: int
    using: str
    catalog: Catalog
    request: HttpRequest | None
    shopper: Shopper | None
    anchors: tuple[Key, ...]
    """The product asked about: its canonical product first, where it is a variant."""
    category: str
    limit: int
    excluded: frozenset[Key]
    """The anchors, what is in the cart, and what the caller named."""
    placement: str
    forced: Rung | None

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs to try, best first."""
        if self.forced is not None:
            return (self.forced,)
        ladder = KINDS[self.kind]
        if self.kind == "popular" and not self.category and not self.anchors:
            return ladder[1:]
        return ladder


def settle(
    kind: str,
    *,
    request: HttpRequest | None,
    shopper: Shopper | None,
    product: Any,
    category: Any,
    limit: int | str | None,
    exclude: Iterable[Any],
    placement: str,
) -> Ask:
    """Raises ValueError for an unknown kind or a limit that is no number."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not a kind of slate; choose from {', '.join(KINDS)}.")
    catalog = backends.catalog()
    anchors = _anchors(catalog, product)
    return Ask(
        kind=kind,
        site=backends.site(request),
        using=conf.settings.DATABASE,
        catalog=catalog,
        request=request,
        shopper=shopper or (capture.identify(request) if request is not None else None),
        anchors=anchors,
        category=_category(catalog, category),
        limit=max(0, min(MOST, int(conf.settings.LIMIT if limit in (None, "") else limit))),
        excluded=keys_of(catalog.model, (*exclude, *_cart(request))).union(anchors),
        placement=placement or kind,
        forced=_forced(),
    )


def _anchors(catalog: Catalog, product: Any) -> tuple[Key, ...]:
    key = key_of(catalog.model, product)
    if key is None:
        return ()
    group = None
    if isinstance(product, models.Model):
        group = _asked("get_group", lambda: key_of(catalog.model, catalog.get_group(product)), None)
    return (key,) if group is None or group == key else (group, key)


def _category(catalog: Catalog, category: Any) -> str:
    if category in (None, ""):
        return ""
    return _asked("category_path", lambda: catalog.category_path(category), "")


def _cart(request: HttpRequest | None) -> Iterable[Any]:
    hook = backends.hook("RECO_CART", conf.settings.CART)
    if hook is None or request is None:
        return ()
    nothing: tuple[Any, ...] = ()
    return _asked("RECO_CART", lambda: tuple(hook(request) or ()), nothing)


def _asked(what: str, ask: Callable[[], T], otherwise: T) -> T:
    """What the shop's own code says; one that raises says nothing, and leaves a transaction usable."""
    try:
        with savepoint(conf.settings.DATABASE):
            return ask()
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("%s raised; the slate is made without it.", what)
        return otherwise


def _forced() -> Rung | None:
    name = conf.settings.FORCE_RUNG
    return Rung(name) if name else None
