"""The arguments of `recommend` and `plan` → settled questions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from django.db import models
from django.http import HttpRequest

from reco_plugin import backends, capture, conf
from reco_plugin.bounded import savepoint
from reco_plugin.capture.context import context_of
from reco_plugin.catalog import Catalog
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.serving import spots, ways
from reco_plugin.serving.keys import key_of, keys_in_order, keys_of
from reco_plugin.serving.ways import Step
from reco_plugin.types import Context, Key, KindShare, PlacementSpec, Rung, Shopper

logger = logging.getLogger(__name__)

T = TypeVar("T")

MOST = 100
"""Products in one slate, at most."""


class Unusable(Exception):
    """A merchandiser's placement that contradicts itself; the message says how."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Who asks, about what, and what must not be in any answer: the same for a whole page."""

    site: int
    using: str
    catalog: Catalog
    request: HttpRequest | None
    shopper: Shopper | None
    product: Any
    """What the caller gave: an instance, a key, or nothing."""
    anchors: tuple[Key, ...]
    """The product asked about: its canonical product first, where it is a variant."""
    category: str
    cart: tuple[Key, ...]
    excluded: frozenset[Key]
    """The anchors, what is in the cart, and what the caller named."""
    context: Context


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One slate that is asked for."""

    kind: str
    """The kind, or the first of the placement's."""
    spec: PlacementSpec
    steps: tuple[Step, ...]
    limit: int
    placement: str
    of: Circumstances

    @property
    def using(self) -> str:
        return self.of.using

    @cached_property
    def kinds(self) -> frozenset[str]:
        return frozenset(share.kind for share in self.spec.kinds)


def circumstances(
    *,
    request: HttpRequest | None,
    shopper: Shopper | None = None,
    product: Any = None,
    category: Any = "",
    cart: Iterable[Any] | None = None,
    exclude: Iterable[Any] = (),
    query: str = "",
) -> Circumstances:
    """Settle what a page has in common. `cart` is asked of RECO_CART where it is None."""
    catalog = backends.catalog()
    anchors = _anchors(catalog, product)
    inside = keys_in_order(catalog.model, _cart(request) if cart is None else cart)
    path = _category(catalog, category)
    return Circumstances(
        site=backends.site(request),
        using=conf.settings.DATABASE,
        catalog=catalog,
        request=request,
        shopper=shopper or (capture.identify(request) if request is not None else None),
        product=product,
        anchors=anchors,
        category=path,
        cart=inside,
        excluded=keys_of(catalog.model, exclude).union(anchors, inside),
        context=context_of(request, category=path, query=query),
    )


def settle(name: str, found: Circumstances, *, limit: int | str | None, placement: str) -> Ask:
    """The slate that `name` (a kind, or a placement) stands for.

    Raises Unusable for a placement whose row makes no sense, ValueError for a name there is not, or
    a limit that is no number.
    """
    spec, steps = _named(name, found)
    wanted = spec.max_items if limit in (None, "") else limit
    return _ask(spec, steps, found, limit=int(wanted or 0), placement=placement or name)


def ask_of(spec: PlacementSpec, found: Circumstances) -> Ask:
    """The slate of a placement that need not be in force."""
    steps = ways.of_placement(spec)
    return _ask(spec, steps, found, limit=spec.max_items, placement=spec.slug)


def _ask(
    spec: PlacementSpec,
    steps: tuple[Step, ...],
    found: Circumstances,
    *,
    limit: int,
    placement: str,
) -> Ask:
    return Ask(
        kind=spec.kinds[0].kind if spec.kinds else spec.slug,
        spec=spec,
        steps=_tried(steps, found),
        limit=max(0, min(MOST, limit)),
        placement=placement,
        of=found,
    )


def _named(name: str, found: Circumstances) -> tuple[PlacementSpec, tuple[Step, ...]]:
    if name in KINDS:
        spec = PlacementSpec(
            slug=name, kinds=(KindShare(kind=name),), fallback=(), max_items=conf.settings.LIMIT
        )
        return spec, ways.of_kind(name)
    known = spots.known(found.using, found.site)
    if name not in known:
        if why := getattr(known, "notes", {}).get(name):
            raise Unusable(why)
        raise ValueError(
            f"{name!r} is neither a kind of slate nor a placement; choose from "
            f"{', '.join((*KINDS, *sorted(known)))}."
        )
    return known[name], ways.of_placement(known[name])


def _tried(steps: tuple[Step, ...], found: Circumstances) -> tuple[Step, ...]:
    """Those that make sense here."""
    if conf.settings.FORCE_RUNG:
        return ways.forced(Rung(conf.settings.FORCE_RUNG))
    return steps if found.category or found.anchors else ways.without_category(steps)


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
