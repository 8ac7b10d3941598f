"""Simulated shoppers: known tastes, and what people with such tastes do in a shop.

Each shopper has a latent liking for every category, colour, style, brand and price level. What they
look at is drawn from a softmax of that liking over the products they happen to see (Gumbel noise on
the scores), blurred by popularity; what they buy depends on it more sharply. A learner sees only
the events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from example_shop.demo.goods import Persona, ProductPlan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VIEW, CART, BUY, RETURN, WISH = range(5)
DAY = 86_400
SEEN = 0.4
"""Share of the shop's products that come before a shopper's eyes in one visit."""
KEEN = 7.0
"""The score at which half of those who look put it in the cart."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Traits:
    """What can be liked about n products; each array has shape (n,)."""

    category: Ints
    colour: Ints
    style: Ints
    brand: Ints
    gender: Ints
    """0 for anyone, 1 women, 2 men."""
    price: Floats
    """Log price within the category, standardised."""
    days_old: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Tastes:
    """What m shoppers like; columns of the matrices follow the numbering of Traits."""

    category: Floats
    colour: Floats
    style: Floats
    brand: Floats
    gender: Ints
    price: Floats
    eagerness: Floats
    """Visits to expect in the whole window."""
    size: Ints

    def liking(self, shopper: int, traits: Traits) -> Floats:
        """How much the shopper likes each product; shape (n,), about standard normal in spread."""
        score = 1.0 * self.colour[shopper, traits.colour]
        score += 0.9 * self.style[shopper, traits.style]
        score += 0.7 * self.brand[shopper, traits.brand]
        score -= 0.5 * np.abs(traits.price - self.price[shopper])
        other = (traits.gender > 0) & (traits.gender != self.gender[shopper])
        return np.where(other, score - 7.0, score)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What happened, in time order per visit; all arrays have shape (events,)."""

    kind: Ints
    shopper: Ints
    product: Ints
    at: Ints
    """Seconds before now."""
    visit: Ints


def traits_of(plans: Sequence[ProductPlan]) -> Traits:
    category = _codes(plan.category for plan in plans)
    prices = np.log(np.asarray([float(plan.price) for plan in plans]) + 1.0)
    genders = {"women": 1, "girls": 1, "men": 2, "boys": 2}
    return Traits(
        category=category,
        colour=_codes(plan.colour for plan in plans),
        style=_codes(plan.style for plan in plans),
        brand=_codes(plan.brand for plan in plans),
        gender=np.asarray([genders.get(plan.gender.lower(), 0) for plan in plans]),
        price=_standardised(prices, category),
        days_old=np.asarray([plan.days_old for plan in plans]),
    )


def tastes(
    count: int,
    plans: Sequence[ProductPlan],
    personas: Sequence[Persona],
    rng: np.random.Generator,
    visits: float = 7.0,
) -> Tastes:
    """Tastes of `count` shoppers; the first ones are the personas."""
    traits = traits_of(plans)
    found = Tastes(
        category=rng.gumbel(0, 1.0, (count, _width(traits.category))) * 1.1,
        colour=rng.normal(0, 1.1, (count, _width(traits.colour))),
        style=_peaked(rng, count, _width(traits.style)),
        brand=rng.normal(0, 0.6, (count, _width(traits.brand))),
        gender=rng.integers(1, 3, count),
        price=rng.normal(0, 0.8, count),
        eagerness=np.clip(rng.lognormal(np.log(visits) - 0.25, 0.7, count), 1, 60),
        size=rng.integers(0, 1_000, count),
    )
    for row, persona in enumerate(personas[:count]):
        _become(found, row, persona, plans, traits)
    return found


def simulate(
    likes: Tastes,
    traits: Traits,
    days: int,
    rng: np.random.Generator,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda rows: rows,
) -> Trace:
    """`days` days of visits that end now; deterministic for a seeded generator."""
    fame = 0.5 * rng.normal(0, 1.0, len(traits.category))
    rows: list[tuple[int, ...]] = []
    visit = 0
    for shopper in progress(range(len(likes.size))):
        liking = likes.liking(shopper, traits) + fame
        owned = np.zeros(len(liking), dtype=bool)
        person = _Person(row=shopper, traits=traits, owned=owned, rng=rng)
        for begun in _visits(likes.eagerness[shopper], days, rng):
            shelf = _shelf(likes, shopper, traits, rng)
            rows += person.visit(visit, int(begun), liking + shelf)
            visit += 1
    columns = np.asarray(rows, dtype=np.int64).reshape(-1, 5).T
    return Trace(
        kind=columns[0], shopper=columns[1], product=columns[2], at=columns[3], visit=columns[4]
    )


def _visits(eagerness: float, days: int, rng: np.random.Generator) -> Ints:
    """When the visits begin, in seconds before now, oldest first; more of them lately."""
    count = 1 + rng.poisson(eagerness)
    ago = days * (1 - np.sqrt(rng.random(count))) + 0.05
    return np.sort((ago * DAY).astype(np.int64))[::-1]


def _shelf(likes: Tastes, shopper: int, traits: Traits, rng: np.random.Generator) -> Floats:
    """What this visit is about: one category above all, by the shopper's liking for it."""
    wanted = likes.category[shopper]
    focus = int(np.argmax(1.6 * wanted + rng.gumbel(0, 1.0, len(wanted))))
    return 0.8 * wanted[traits.category] + np.where(traits.category == focus, 4.0, 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Person:
    """One shopper on a walk through the shop."""

    row: int
    traits: Traits
    owned: npt.NDArray[np.bool_]
    rng: np.random.Generator

    def visit(self, number: int, begun: int, score: Floats) -> list[tuple[int, ...]]:
        """Look at a few products, put some in the cart, buy, sometimes return."""
        rows: list[tuple[int, ...]] = []
        clock = begun
        for product in self._looked_at(begun, score):
            clock = max(clock - int(self.rng.integers(15, 180)), 1)
            done = self._decide(begun, float(score[product]) - KEEN)
            self.owned[product] |= BUY in done
            rows += [
                (kind, self.row, product, max(_WHEN[kind](begun, clock), 1), number)
                for kind in (VIEW, *done)
            ]
        return rows

    def _looked_at(self, begun: int, score: Floats) -> list[int]:
        unseen = (self.rng.random(len(score)) > SEEN) | self.owned
        unborn = self.traits.days_old * DAY < begun
        drawn = score + self.rng.gumbel(0, 0.8, len(score))
        drawn = np.where(unseen | unborn, -np.inf, drawn)
        best = np.argsort(-drawn)[: 1 + self.rng.poisson(3.2)]
        return [int(product) for product in best[np.isfinite(drawn[best])]]

    def _decide(self, begun: int, keen: float) -> list[int]:
        """What follows a look, by how keen the shopper is."""
        if self.rng.random() > _logistic(keen):
            return []
        if self.rng.random() < 0.6:
            back = begun > 20 * DAY and self.rng.random() < 0.12 * _logistic(1 - keen)
            return [CART, BUY, RETURN] if back else [CART, BUY]
        return [CART, WISH] if self.rng.random() < 0.3 else [CART]


_WHEN: dict[int, Callable[[int, int], int]] = {
    VIEW: lambda begun, clock: clock,
    CART: lambda begun, clock: clock - 10,
    WISH: lambda begun, clock: clock - 20,
    BUY: lambda begun, clock: begun - 2_400,
    RETURN: lambda begun, clock: begun - 12 * DAY,
}


def _logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def _become(
    likes: Tastes, row: int, persona: Persona, plans: Sequence[ProductPlan], traits: Traits
) -> None:
    """Overwrite one shopper's tastes by a persona's."""
    wishes = (
        (likes.category, traits.category, persona.categories, [p.category[-1] for p in plans], 5.0),
        (likes.colour, traits.colour, persona.colours, [p.colour for p in plans], 3.2),
        (likes.style, traits.style, persona.styles, [p.style for p in plans], 2.0),
    )
    for matrix, codes, liked, values, weight in wishes:
        if liked:
            matrix[row] = -weight / 4
            matrix[row, codes[np.isin(np.asarray(values), liked)]] = weight
    likes.gender[row] = {"Women": 1, "Men": 2}.get(persona.gender, likes.gender[row])
    likes.eagerness[row] = 14


def _peaked(rng: np.random.Generator, count: int, width: int) -> Floats:
    """Most people have one style, and a second they like a little."""
    liking = rng.normal(-0.6, 0.4, (count, width))
    rows = np.arange(count)
    liking[rows, rng.integers(0, width, count)] += 0.9
    liking[rows, rng.integers(0, width, count)] += 2.0
    return liking


def _codes(values: Iterable[object]) -> Ints:
    numbers: dict[object, int] = {}
    return np.asarray([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)


def _width(codes: Ints) -> int:
    return int(codes.max(initial=0)) + 1


def _standardised(values: Floats, groups: Ints) -> Floats:
    """Zero mean, unit spread within each group."""
    count = np.maximum(np.bincount(groups), 1)
    mean = np.bincount(groups, weights=values) / count
    spread = np.sqrt(np.bincount(groups, weights=(values - mean[groups]) ** 2) / count)
    return (values - mean[groups]) / np.maximum(spread[groups], 0.05)
