"""Price bands by quantile. A band is named after its lower edge, so that a name tells all of it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

BANDS = 8


def bands(prices: Sequence[float | None]) -> list[float]:
    """Lower edges of up to BANDS bands with about as many products each, ascending."""
    known = sorted(float(price) for price in prices if price is not None and is_price(price))
    return sorted({known[len(known) * band // BANDS] for band in range(BANDS)}) if known else []


def in_band(price: float | None, edges: Sequence[float]) -> tuple[str, ...]:
    """('price:19.99',), or nothing for no price. Below the lowest band counts as the lowest."""
    if not edges or price is None or not is_price(price):
        return ()
    return (f"price:{edges[max(0, bisect.bisect_right(edges, price) - 1)]!r}",)


def is_price(price: float | None) -> bool:
    return price is not None and math.isfinite(price) and price >= 0
