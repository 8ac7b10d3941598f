"""How full, and how different from one another, lists of recommendations are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What stands beside some products."""

    asked: int
    """Products it was asked of."""
    answered: int
    """Those that have anything beside them."""
    length: float
    """Mean number of products there, of those that have."""
    size: float
    """0..1: how much of all the places is filled."""
    variety: float
    """0..1: 1 where no product stands in more places than it must, 0 where one stands in all."""


NOTHING = Sample(asked=0, answered=0, length=0.0, size=0.0, variety=0.0)


def sample(lists: Sequence[Sequence[Any]], *, asked: int, wanted: int, items: int) -> Sample:
    """Of `asked` products those in `lists` have one; `wanted` places are to be filled from `items` products."""
    filled = [keys[:wanted] for keys in lists if keys]
    places = max(1, min(wanted, items - 1))
    total = sum(min(len(keys), places) for keys in filled)
    return Sample(
        asked=asked,
        answered=len(filled),
        length=sum(len(keys) for keys in lists) / len(filled) if filled else 0.0,
        size=min(1.0, total / (asked * places)) if asked else 0.0,
        variety=variety(filled, items),
    )


def variety(lists: Sequence[Sequence[Any]], items: int) -> float:
    """1 minus the share of the lists that the most frequent product is in, beyond what few products force."""
    if len(lists) < 2:
        return 1.0 if lists else 0.0
    most = Counter(key for keys in lists for key in dict.fromkeys(keys)).most_common(1)[0][1]
    length = sum(len(keys) for keys in lists) / len(lists)
    return unforced(most / len(lists), length, items)


def unforced(share: float, length: float, items: int) -> float:
    """1 minus the top `share`, where even shares (`length` of `items`) count as none."""
    even = min(1.0, length / max(items, 1))
    return 1.0 if even >= 1 else min(1.0, max(0.0, (1 - share) / (1 - even)))
