"""What a catalogue loader hands over, before anything is in the database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np

from example_shop.demo.sketch import Look

REDUCED = 0.12
"""Share of products that are reduced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductPlan:
    """One product to be, with its sizes."""

    slug: str
    title: str
    description: str
    category: tuple[str, ...]
    """Names from the root."""
    brand: str
    price: Decimal
    was: Decimal | None = None
    """What it cost before it was reduced."""
    picture: str
    """Path under MEDIA_ROOT, or ''."""
    close_up: str = ""
    """Path of a second picture, of a detail, or ''."""
    shape: str = ""
    """Which drawing makes the picture; '' when the picture is a file already."""
    look: Look | None = None
    colour: str = ""
    gender: str = ""
    age_group: str = ""
    style: str = ""
    """What the simulated shoppers like or dislike about it, besides the visible facts."""
    options: tuple[str, ...] = ()
    """Names of its variants; empty when it is bought as it is."""
    stock: tuple[int, ...] = (20,)
    """Pieces of each option, or of the product itself."""
    days_old: float = 400.0
    untagged: bool = False
    """Nobody has filled in its colour, as in any real shop; shoppers see it all the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Persona:
    """A demo account with a taste one can see."""

    username: str
    taste: str
    categories: tuple[str, ...] = ()
    """Names of leaf categories."""
    colours: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    gender: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assortment:
    """A whole catalogue and what its pages must say about it."""

    products: tuple[ProductPlan, ...]
    departments: tuple[str, ...]
    """Order of the roots of the category tree."""
    personas: tuple[Persona, ...]
    notice: str = ""
    price_note: str = ""
    report: tuple[str, ...] = field(default=())
    """What was done to the data, in plain words."""


def reduce_some(assortment: Assortment, rng: np.random.Generator) -> Assortment:
    """Some of what is not new costs a sixth to two fifths less than it did."""

    def maybe(plan: ProductPlan) -> ProductPlan:
        by = rng.uniform(0.16, 0.4)
        if rng.random() > REDUCED or plan.days_old < 60 or plan.price < 10:
            return plan
        return replace(plan, price=Decimal(round(float(plan.price) * (1 - by))), was=plan.price)

    return replace(assortment, products=tuple(maybe(plan) for plan in assortment.products))
