"""A slate as a template shows it: one tile per product, in the catalogue's words."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from reco_plugin import backends, capture, conf, measurement
from reco_plugin.serving.reasons import sentence
from reco_plugin.types import Slate, SlateItem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """What one tile shows. Anything but the title and the link may be missing."""

    item: SlateItem
    product: Any
    title: str
    href: str
    counts: bool
    """The link counts the click and leads on: robots are asked not to follow it."""
    image: str
    price: float | None
    reason: str = ""
    """Why it is shown, in a sentence; '' where there is nothing to say."""


def tiles(slate: Slate, request: HttpRequest | None) -> list[Tile]:
    """A tile per item; one whose product cannot be shown is left out and logged."""
    counting = _counts(request)
    found = []
    for item in slate.items:
        try:
            found.append(_tile(slate, item, counting))
        except Exception:
            if conf.settings.DEBUG_RAISE:
                raise
            logger.exception("Product %s cannot be shown on a tile", item.key)
    return found


def href(slate: Slate, item: SlateItem, request: HttpRequest | None) -> str:
    """The counting link for a person, the product's own page for anyone else."""
    return _href(slate, item, _counts(request))[0]


def _tile(slate: Slate, item: SlateItem, counting: bool) -> Tile:
    catalog = backends.catalog()
    link, counts = _href(slate, item, counting)
    return Tile(
        item=item,
        product=item.product,
        title=str(catalog.value(item.product, "title") or item.product),
        href=link,
        counts=counts,
        image=catalog.image_url(item.product),
        price=catalog.get_price(item.product),
        reason=sentence(item, slate.titles),
    )


def _href(slate: Slate, item: SlateItem, counting: bool) -> tuple[str, bool]:
    if counting:
        try:
            return reverse("reco:click", args=[measurement.click_token(slate, item)]), True
        except NoReverseMatch:
            logger.debug("reco_plugin.urls is not included; clicks are not counted")
    return _harmless(backends.catalog().url(item.product)), False


def _harmless(url: str) -> str:
    """`url`, unless it is one that runs a script: a shop may let others write its products' addresses."""
    return url if urlsplit(url).scheme in ("", "http", "https") else ""


def _counts(request: HttpRequest | None) -> bool:
    return request is not None and capture.is_recordable(request)
