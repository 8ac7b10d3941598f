# ruff: noqa: E501 - tables read best with one row to a line
"""The words and numbers the built-in catalogue is made of."""

from __future__ import annotations

from dataclasses import dataclass

from example_shop.demo.sketch import RGB

COLOURS: dict[str, RGB] = {
    "Red": (196, 62, 58),
    "Rust": (178, 94, 54),
    "Mustard": (216, 160, 58),
    "Olive": (120, 126, 70),
    "Sage": (140, 162, 132),
    "Forest": (42, 84, 66),
    "Teal": (44, 124, 128),
    "Sky": (118, 164, 206),
    "Navy": (40, 56, 96),
    "Plum": (108, 62, 100),
    "Blush": (228, 172, 164),
    "Sand": (212, 192, 158),
    "Cream": (240, 230, 208),
    "Charcoal": (62, 64, 70),
}

PALETTES: dict[str, tuple[str, ...]] = {
    "sporty": ("Red", "Sky", "Teal", "Charcoal", "Mustard"),
    "classic": ("Navy", "Forest", "Sand", "Charcoal", "Red"),
    "minimal": ("Cream", "Charcoal", "Sand", "Sage", "Navy"),
    "boho": ("Rust", "Mustard", "Olive", "Blush", "Plum"),
    "urban": ("Charcoal", "Plum", "Red", "Teal", "Sky"),
}

PATTERNS: dict[str, tuple[str, ...]] = {
    "sporty": ("", "", "stripes"),
    "classic": ("", "checks", "stripes"),
    "minimal": ("", "", "", "stripes"),
    "boho": ("dots", "checks", ""),
    "urban": ("", "dots", "stripes"),
}

BRANDS: dict[str, tuple[str, ...]] = {
    "sporty": (
        "Stride Union", "Fleetfield", "Kestrel Run", "Tempo Works",
        "Riverpace", "Summit Nine", "Volta Sport", "Far Meadow",
    ),
    "classic": (
        "Harrow & Pell", "Ashdown", "Wexley", "Marlowe Row",
        "Brindle", "Oakham House", "Carrow", "Linton Green",
    ),
    "minimal": (
        "Nord Form", "Plain Goods", "Studio Ett", "Mono Atelier",
        "Stillwater", "Quiet Room", "Lys", "Halftone",
    ),
    "boho": (
        "Wild Juniper", "Solanne", "Terra Mira", "Marigold Lane",
        "Saffron Road", "Luma Loom", "Indira Blue", "Painted Field",
    ),
    "urban": (
        "Block Nine", "Neon Alley", "Concrete Club", "Gridline",
        "Off Hours", "Kilo Street", "Metrotype", "Night Tram",
    ),
}  # fmt: skip

STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "sporty": ("light on its feet", "made to move", "quick to dry", "ready for the hills"),
    "classic": ("cut the way it always was", "made to be handed down", "smart without trying"),
    "minimal": ("reduced to what matters", "calm in line and colour", "without a stitch too many"),
    "boho": ("made by patient hands", "warm, loose and a little wild", "full of small details"),
    "urban": ("at home in the last train", "bold in shape", "made for concrete and rain"),
}

MODELS = (
    "Alder", "Arden", "Birch", "Bracken", "Briar", "Calla", "Cedar", "Clover", "Cove", "Dale",
    "Delta", "Drift", "Elm", "Ember", "Esker", "Fen", "Fjord", "Flint", "Gale", "Glen", "Grove",
    "Harbour", "Hazel", "Heath", "Holm", "Iris", "Isle", "Juno", "Kelp", "Lark", "Linden", "Loch",
    "Lupin", "Maple", "Marsh", "Mesa", "Moor", "Moss", "Nettle", "Oriel", "Osprey", "Pebble",
    "Pine", "Quill", "Reed", "Ridge", "Rill", "Rowan", "Rush", "Sable", "Shale", "Sorrel", "Strand",
    "Tarn", "Teasel", "Thistle", "Tide", "Umber", "Vale", "Willow", "Wren", "Yarrow",
)  # fmt: skip

CLOTHING_SIZES = ("S", "M", "L", "XL")
WOMENS_SHOES = ("37", "38", "39", "40")
MENS_SHOES = ("41", "42", "43", "44")


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """A category at the end of the tree, and how its products come about."""

    department: str
    name: str
    shape: str
    nouns: tuple[str, ...]
    materials: tuple[str, ...]
    price: float
    styles: tuple[str, ...]
    """Most usual styles first; the others are rare."""
    sizes: str = ""
    """'clothing', 'shoes' or '' for one size."""
    genders: tuple[str, ...] = ("Women", "Men")


def _leaf(
    department: str,
    name: str,
    shape: str,
    nouns: str,
    materials: str,
    *,
    price: float,
    styles: str,
    sizes: str = "",
    genders: tuple[str, ...] = ("",),
) -> Leaf:
    return Leaf(
        department=department,
        name=name,
        shape=shape,
        nouns=tuple(nouns.split(", ")),
        materials=tuple(materials.split(", ")),
        price=price,
        styles=tuple(styles.split()),
        sizes=sizes,
        genders=genders,
    )


WOMEN = ("Women",)
BOTH = ("Women", "Men")
LEAVES = (
    _leaf("Clothing", "T-shirts", "tee", "tee, T-shirt", "cotton, hemp, slub cotton", price=24, styles="urban sporty minimal", sizes="clothing", genders=BOTH),
    _leaf("Clothing", "Shirts", "shirt", "shirt, overshirt", "linen, poplin, oxford", price=55, styles="classic minimal boho", sizes="clothing", genders=BOTH),
    _leaf("Clothing", "Knitwear", "jumper", "jumper, crew knit", "merino, lambswool, cotton", price=79, styles="classic boho minimal", sizes="clothing", genders=BOTH),
    _leaf("Clothing", "Dresses", "dress", "dress, day dress", "linen, viscose, cotton", price=89, styles="boho classic minimal", sizes="clothing", genders=WOMEN),
    _leaf("Clothing", "Jackets", "jacket", "jacket, chore coat", "wool, waxed cotton, twill", price=149, styles="classic urban minimal", sizes="clothing", genders=BOTH),
    _leaf("Clothing", "Trousers", "trousers", "trousers, chinos", "twill, linen, denim", price=69, styles="minimal urban classic", sizes="clothing", genders=BOTH),
    _leaf("Shoes", "Running shoes", "runner", "running shoe, trail runner", "mesh, knit, ripstop", price=119, styles="sporty sporty urban", sizes="shoes", genders=BOTH),
    _leaf("Shoes", "Trainers", "sneaker", "trainer, high-top", "canvas, suede, leather", price=85, styles="urban minimal sporty", sizes="shoes", genders=BOTH),
    _leaf("Shoes", "Boots", "boot", "boot, ankle boot", "leather, suede, nubuck", price=169, styles="classic boho urban", sizes="shoes", genders=BOTH),
    _leaf("Shoes", "Sandals", "sandal", "sandal, slide", "leather, cork, suede", price=65, styles="boho minimal classic", sizes="shoes", genders=BOTH),
    _leaf("Bags", "Backpacks", "backpack", "backpack, day pack", "canvas, nylon, ripstop", price=89, styles="sporty urban minimal"),
    _leaf("Bags", "Totes", "tote", "tote, shopper", "canvas, jute, cotton", price=35, styles="minimal boho urban"),
    _leaf("Bags", "Handbags", "handbag", "handbag, satchel", "leather, suede, grain leather", price=145, styles="classic boho minimal"),
    _leaf("Accessories", "Watches", "watch", "watch, field watch", "steel, brushed steel, leather", price=180, styles="classic minimal sporty"),
    _leaf("Accessories", "Sunglasses", "sunglasses", "sunglasses", "acetate, recycled, matt", price=75, styles="urban minimal sporty"),
    _leaf("Accessories", "Caps", "cap", "cap, six-panel cap", "cotton, wool, cord", price=28, styles="sporty urban classic"),
    _leaf("Accessories", "Scarves", "scarf", "scarf, wrap", "wool, cashmere, cotton", price=45, styles="classic boho minimal"),
    _leaf("Living", "Lamps", "lamp", "table lamp, lamp", "linen, paper, cotton", price=95, styles="minimal classic boho"),
    _leaf("Living", "Mugs", "mug", "mug, big mug", "stoneware, enamel, porcelain", price=16, styles="minimal urban boho"),
    _leaf("Living", "Vases", "vase", "vase, bud vase", "stoneware, glass, terracotta", price=42, styles="boho minimal classic"),
    _leaf("Living", "Cushions", "cushion", "cushion, floor cushion", "linen, velvet, cotton", price=38, styles="boho classic minimal"),
    _leaf("Living", "Candles", "candle", "candle, scented candle", "soy, beeswax, rapeseed", price=22, styles="minimal boho classic"),
    _leaf("Living", "Bowls", "bowl", "bowl, serving bowl", "stoneware, enamel, porcelain", price=32, styles="minimal boho urban"),
    _leaf("Living", "Clocks", "clock", "wall clock, clock", "oak, steel, bamboo", price=58, styles="minimal classic urban"),
)  # fmt: skip
DEPARTMENTS = ("Clothing", "Shoes", "Bags", "Accessories", "Living")
