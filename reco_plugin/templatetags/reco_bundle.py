"""`{% load reco_bundle %}`: one price for what goes together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django import template

from reco_plugin import backends, conf
from reco_plugin.serving.tiles import Tile

logger = logging.getLogger(__name__)
register = template.Library()


@register.filter
def total_price(tiles: Sequence[Tile], product: Any = None) -> float | None:
    """`{{ tiles|total_price:product }}`: of the tiles and the page's own product, read live.

    None where one of them has no price. Never raises.
    """
    try:
        prices = [tile.price for tile in tiles]
        if product not in (None, ""):
            prices.append(backends.catalog().get_price(product))
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("A bundle has no price")
        return None
    known = [float(price) for price in prices if price is not None]
    return round(sum(known), 2) if known and len(known) == len(prices) else None
