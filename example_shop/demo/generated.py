"""The built-in catalogue: made up from words, colours and a seed, the same every time."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from django.utils.text import slugify

from example_shop.demo.goods import Assortment, Persona, ProductPlan
from example_shop.demo.sketch import Look
from example_shop.demo.vocabulary import (
    BRANDS,
    CLOTHING_SIZES,
    COLOURS,
    DEPARTMENTS,
    LEAVES,
    MENS_SHOES,
    MODELS,
    PALETTES,
    PATTERNS,
    STYLE_WORDS,
    WOMENS_SHOES,
    Leaf,
)

STYLES = tuple(BRANDS)
SOLD_OUT = 0.06
FRESH = 0.08
"""Share of products that came in during the last three weeks."""
WITH_CLOSE_UP, UNTAGGED = 3, 25
"""Every third product has a second picture, and of every 25th nobody has filled in the colour."""

PERSONAS = (
    Persona(
        username="ann",
        taste="runs in the morning, in red",
        categories=("Running shoes", "T-shirts", "Caps"),
        colours=("Red", "Rust"),
        styles=("sporty",),
        gender="Women",
    ),
    Persona(
        username="ben",
        taste="classic, navy and green, well dressed",
        categories=("Jackets", "Shirts", "Boots", "Watches"),
        colours=("Navy", "Forest"),
        styles=("classic",),
        gender="Men",
    ),
    Persona(
        username="cleo",
        taste="furnishes a calm, pale flat",
        categories=("Lamps", "Vases", "Candles", "Cushions", "Bowls"),
        colours=("Cream", "Sand", "Sage"),
        styles=("minimal",),
    ),
    Persona(
        username="dora",
        taste="long dresses and warm colours",
        categories=("Dresses", "Sandals", "Handbags", "Scarves"),
        colours=("Rust", "Mustard", "Plum"),
        styles=("boho",),
        gender="Women",
    ),
    Persona(
        username="eli",
        taste="street wear, dark and loud",
        categories=("Trainers", "Trousers", "Backpacks", "Sunglasses"),
        colours=("Charcoal", "Plum"),
        styles=("urban",),
        gender="Men",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Brand:
    name: str
    style: str
    level: float
    """What the brand's name does to a price, as a factor."""


def assortment(products: int = 600, seed: int = 7) -> Assortment:
    """`products` products spread evenly over the leaf categories; the same for the same seed."""
    rng = np.random.default_rng(seed)
    brands = _brands(rng)
    models = {leaf.name: rng.permutation(MODELS) for leaf in LEAVES}
    plans = [
        _product(number, LEAVES[number % len(LEAVES)], models, brands, rng)
        for number in range(products)
    ]
    return Assortment(products=tuple(plans), departments=DEPARTMENTS, personas=PERSONAS)


def _brands(rng: np.random.Generator) -> dict[str, list[Brand]]:
    return {
        style: [
            Brand(name=name, style=style, level=float(level))
            for name, level in zip(names, rng.uniform(0.65, 1.7, len(names)), strict=True)
        ]
        for style, names in BRANDS.items()
    }


def _product(
    number: int,
    leaf: Leaf,
    models: dict[str, np.ndarray],
    brands: dict[str, list[Brand]],
    rng: np.random.Generator,
) -> ProductPlan:
    style = str(rng.choice(leaf.styles if rng.random() < 0.85 else STYLES))
    brand = brands[style][rng.integers(len(brands[style]))]
    colour = str(rng.choice(PALETTES[style] if rng.random() < 0.8 else tuple(COLOURS)))
    material, noun = str(rng.choice(leaf.materials)), str(rng.choice(leaf.nouns))
    gender = str(rng.choice(leaf.genders))
    names = models[leaf.name]
    model = str(names[number // len(LEAVES) % len(names)])
    title = f"{model} {material} {noun}"
    slug = slugify(f"{title} {colour} {number}")
    options = _options(leaf, gender)
    return ProductPlan(
        slug=slug,
        title=title,
        description=_description(f"{noun} in {colour.lower()} {material}", leaf, brand, rng),
        category=(leaf.department, leaf.name),
        brand=brand.name,
        price=_price(leaf.price * brand.level * rng.lognormal(0, 0.12)),
        picture=f"products/{slug}.webp",
        close_up=f"products/{slug}-detail.webp" if number % WITH_CLOSE_UP == 0 else "",
        shape=leaf.shape,
        look=_look(style, colour, rng),
        colour=colour,
        gender=gender,
        age_group="adult" if gender else "",
        style=style,
        options=options,
        stock=_stock(len(options) or 1, rng),
        days_old=float(rng.uniform(1, 21) if rng.random() < FRESH else rng.uniform(200, 700)),
        untagged=number % UNTAGGED == UNTAGGED - 1,
    )


def _options(leaf: Leaf, gender: str) -> tuple[str, ...]:
    if leaf.sizes == "clothing":
        return tuple(f"Size {size}" for size in CLOTHING_SIZES)
    if leaf.sizes == "shoes":
        return tuple(f"EU {size}" for size in (WOMENS_SHOES if gender == "Women" else MENS_SHOES))
    return ()


def _description(what: str, leaf: Leaf, brand: Brand, rng: np.random.Generator) -> str:
    words = str(rng.choice(STYLE_WORDS[brand.style]))
    return (
        f"{what[0].upper()}{what[1:]}: {brand.style}, {words}.\n"
        f"By {brand.name}, who have made {leaf.name.lower()} of this kind for years. "
        f"Pairs well with anything else from our {leaf.department.lower()} shelves."
    )


def _look(style: str, colour: str, rng: np.random.Generator) -> Look:
    others = [name for name in PALETTES[style] if name != colour]
    return Look(
        colour=COLOURS[colour],
        accent=COLOURS[str(rng.choice(others))],
        pattern=str(rng.choice(PATTERNS[style])),
    )


def _price(raw: float) -> Decimal:
    """Prices as shops write them: whole pounds, or 50 pence below twenty."""
    return Decimal(round(raw * 2)) / 2 if raw < 20 else Decimal(round(raw))


def _stock(sellable: int, rng: np.random.Generator) -> tuple[int, ...]:
    if rng.random() < SOLD_OUT:
        return (0,) * sellable
    pieces = rng.integers(3, 60, sellable)
    pieces[1:][rng.random(sellable - 1) < 0.12] = 0
    return tuple(int(count) for count in pieces)
