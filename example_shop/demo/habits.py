"""What shoppers do besides following their taste: they complete an outfit, buy candles again, follow a craze.

Each of these adds rows to a simulated trace, drawn from a generator of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from example_shop.demo.goods import ProductPlan
from example_shop.demo.shoppers import BUY, CART, DAY, VIEW, Ints, Trace, Traits

GOES_WITH = {
    "T-shirts": "Trousers", "Shirts": "Knitwear", "Knitwear": "Scarves", "Dresses": "Sandals",
    "Jackets": "Boots", "Trousers": "Shirts", "Running shoes": "Caps", "Trainers": "T-shirts",
    "Boots": "Jackets", "Sandals": "Totes", "Backpacks": "Caps", "Totes": "Sunglasses",
    "Handbags": "Scarves", "Watches": "Shirts", "Sunglasses": "Caps", "Caps": "Backpacks",
    "Scarves": "Handbags", "Lamps": "Cushions", "Mugs": "Bowls", "Vases": "Candles",
    "Cushions": "Lamps", "Candles": "Vases", "Bowls": "Mugs", "Clocks": "Mugs",
}  # fmt: skip
"""Leaf category → what completes it."""
USED_UP = ("Candles",)
"""Leaf categories that are bought again."""
LASTS = 32
"""Days a candle burns."""
COMPLETED = 0.45
"""Share of purchases that are completed on the spot."""
AGAIN = 0.75
SEASON = 190
"""Days; what is older was there all the time that is simulated."""
CRAZES = 6
HOURS = 20


def follow(
    trace: Trace, plans: Sequence[ProductPlan], traits: Traits, rng: np.random.Generator
) -> Trace:
    """`trace` and what else was done."""
    trace = _joined(trace, _completed(trace, companions(plans, traits, rng), rng))
    trace = _joined(trace, _bought_again(trace, _used_up(plans), rng))
    return _joined(trace, _crazes(trace, traits, rng))


def companions(plans: Sequence[ProductPlan], traits: Traits, rng: np.random.Generator) -> Ints:
    """(n,): what completes each product, of its style and for the same people; -1 for nothing."""
    leaves = np.asarray([plan.category[-1] for plan in plans])
    found = np.full(len(plans), -1)
    for row, leaf in enumerate(leaves):
        fits = (traits.gender == 0) | (traits.gender == traits.gender[row])
        fits &= (leaves == GOES_WITH.get(leaf, "")) & (traits.days_old > SEASON)
        alike = np.flatnonzero(fits & (traits.style == traits.style[row]))
        choice = alike if len(alike) else np.flatnonzero(fits)
        if len(choice):
            found[row] = rng.choice(choice)
    return found


def _used_up(plans: Sequence[ProductPlan]) -> Ints:
    return np.flatnonzero([plan.category[-1] in USED_UP for plan in plans])


def _completed(trace: Trace, completes: Ints, rng: np.random.Generator) -> Trace:
    """Who buys one thing often buys what goes with it, on the same visit."""
    bought = np.flatnonzero((trace.kind == BUY) & (completes[trace.product] >= 0))
    rows = bought[rng.random(len(bought)) < COMPLETED]
    return _bundle(
        trace.shopper[rows], completes[trace.product[rows]], trace.at[rows], trace.visit[rows]
    )


def _bought_again(trace: Trace, used_up: Ints, rng: np.random.Generator) -> Trace:
    """What burns down is bought again about a month later, and again."""
    rows = np.flatnonzero((trace.kind == BUY) & np.isin(trace.product, used_up))
    shopper, product, at = trace.shopper[rows], trace.product[rows], trace.at[rows]
    visit = int(trace.visit.max(initial=-1)) + 1
    found = []
    while len(at):
        later = at - (rng.normal(LASTS, 3, len(at)) * DAY).astype(np.int64)
        kept = (later > DAY) & (rng.random(len(at)) < AGAIN)
        shopper, product, at = shopper[kept], product[kept], later[kept]
        found.append(_bundle(shopper, product, at, visit + np.arange(len(at))))
        visit += len(at)
    return _joined(*found) if found else _bundle(*(np.zeros(0, np.int64),) * 4)


def _crazes(trace: Trace, traits: Traits, rng: np.random.Generator) -> Trace:
    """In the last hours many look at the same few things."""
    people = np.unique(trace.shopper)
    crowd = max(8, len(people) // 80)
    seasoned = np.flatnonzero(traits.days_old > SEASON)
    loved = rng.choice(seasoned, min(CRAZES, len(seasoned)), replace=False)
    product = np.repeat(loved, crowd)
    shopper = rng.choice(people, len(product))
    at = rng.integers(600, HOURS * 3_600, len(product))
    visit = int(trace.visit.max(initial=-1)) + 1 + np.arange(len(product))
    return Trace(
        kind=np.full(len(product), VIEW), shopper=shopper, product=product, at=at, visit=visit
    )


def _bundle(shopper: Ints, product: Ints, at: Ints, visit: Ints) -> Trace:
    """A look, the cart and the purchase, a minute apart; orders keep the time of their visit."""
    steps = ((VIEW, 120), (CART, 60), (BUY, 0))
    parts = [
        Trace(
            kind=np.full(len(at), kind),
            shopper=shopper,
            product=product,
            at=np.maximum(at + before, 1),
            visit=visit,
        )
        for kind, before in steps
    ]
    return _joined(*parts)


def _joined(*traces: Trace) -> Trace:
    parts = {
        each.name: np.concatenate([getattr(trace, each.name) for trace in traces])
        for each in fields(Trace)
    }
    return Trace(**parts)
