"""The circumstances of a request lift some products and lower others.

A lift is a factor: 1.3 for phone cases on a mobile device, 0.7 for coffee in the evening. It
multiplies what a product's place is worth, by the discount that NDCG gives places (Järvelin &
Kekäläinen 2002), so that a small lift moves a product by a few places and never turns the list over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from reco_plugin.ranking import fields
from reco_plugin.types import Candidate, Context, ItemFacts, Key

Lifts: TypeAlias = Mapping[str, Mapping[str, float]]
"""Circumstance, such as 'device:mobile', 'hour:9', 'weekday:6', 'market:de' → fact of a product, such
as 'brand:Acme', 'category:Women > Shoes', 'tag:new', 'colour:red' → factor."""

MOST = 4.0
"""All lifts of one product together multiply by at most this, and divide by at most this."""
PAGE = 1.5
"""Lift of what is filed under the page's own category, or is named by a word of its query."""


def circumstances(context: Context) -> tuple[str, ...]:
    """What is known of a request, as lifts name it."""
    known = {
        "device": context.device,
        "hour": context.hour,
        "weekday": context.weekday,
        "locale": context.locale,
        "market": context.market,
        "region": context.region,
        "referrer": context.referrer,
    }
    return tuple(f"{name}:{value}" for name, value in known.items() if value not in ("", None))


def steer(
    candidates: Sequence[Candidate],
    facts: Mapping[Key, ItemFacts],
    context: Context,
    lifts: Lifts,
) -> list[Candidate]:
    """The same candidates, those that suit the circumstances further up. Stable where no lift differs."""
    in_force = [
        (name, lift)
        for circumstance in circumstances(context)
        for name, lift in lifts.get(circumstance, {}).items()
    ]
    if not in_force and not context.category and not context.query:
        return list(candidates)
    factors = [_factor(facts.get(one.key), context, in_force) for one in candidates]
    worth = [factor / math.log2(place + 2) for place, factor in enumerate(factors)]
    order = sorted(range(len(candidates)), key=lambda place: -worth[place])
    return [candidates[place] for place in order]


def _factor(
    facts: ItemFacts | None, context: Context, in_force: Iterable[tuple[str, float]]
) -> float:
    if facts is None:
        return 1.0
    factor = PAGE if _is_of_page(facts, context) else 1.0
    for name, lift in in_force:
        factor *= lift if _has(facts, name) else 1.0
    return min(MOST, max(1.0 / MOST, factor))


def _is_of_page(facts: ItemFacts, context: Context) -> bool:
    if context.category and fields.folded(context.category) in fields.filed(facts):
        return True
    asked = set(fields.folded(context.query).split())
    return bool(asked) and not asked.isdisjoint(_words(facts))


def _words(facts: ItemFacts) -> set[str]:
    named = [facts.brand, *facts.tags, *facts.attributes.values()]
    named += [path.rpartition(fields.SEPARATOR)[2] for path in facts.categories]
    return {word for name in named for word in fields.folded(name).split()}


def _has(facts: ItemFacts, name: str) -> bool:
    field, _, value = name.partition(":")
    held = fields.filed(facts) if field == "category" else fields.said(facts, field)
    return fields.folded(value) in held
