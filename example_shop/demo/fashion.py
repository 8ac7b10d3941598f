# ruff: noqa: E501 - tables read best with one row to a line
"""A real fashion catalogue with its pictures, and simulated shoppers."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path, PurePosixPath

import numpy as np
from django.conf import settings
from django.utils.text import slugify

from example_shop.demo.errors import UnknownData
from example_shop.demo.goods import Assortment, Persona, ProductPlan
from example_shop.demo.report import Report

NEEDED = {"id", "gender", "masterCategory", "subCategory", "articleType", "baseColour", "usage", "productDisplayName"}  # fmt: skip
SIZED = {"Apparel": ("Size S", "Size M", "Size L"), "Footwear": ("UK 6", "UK 8", "UK 10")}
LEVELS = {"Watches": 140, "Handbags": 75, "Backpacks": 60, "Heels": 65, "Formal Shoes": 85,
          "Sports Shoes": 80, "Casual Shoes": 60, "Jackets": 90, "Sunglasses": 70}  # fmt: skip
CHILDREN = {"Girls", "Boys"}
UNTAGGED = 25
"""The colour of about every 25th product is left out, for its picture to tell."""
PERSONAS = (
    Persona(username="ann", taste="runs, in red and pink", categories=("Sports Shoes", "Tshirts", "Track Pants"),
            colours=("Red", "Pink"), styles=("Sports",), gender="Women"),
    Persona(username="ben", taste="formal, in blue and white", categories=("Shirts", "Formal Shoes", "Ties", "Watches"),
            colours=("Blue", "White", "Navy Blue"), styles=("Formal",), gender="Men"),
    Persona(username="cleo", taste="handbags and heels, in black", categories=("Handbags", "Heels", "Clutches"),
            colours=("Black",), styles=("Casual",), gender="Women"),
    Persona(username="dora", taste="ethnic wear in warm colours", categories=("Kurtas", "Sarees", "Dupatta", "Earrings"),
            colours=("Orange", "Maroon", "Mustard", "Red"), styles=("Ethnic",), gender="Women"),
)  # fmt: skip


def is_fashion(folder: Path) -> bool:
    return any(_is_catalogue(file) for file in folder.glob("*.csv"))


def load(folder: Path, products: int, report: Report, seed: int = 7) -> Assortment:
    """Up to `products` products that have a picture. Raises UnknownData."""
    rows = _rows(folder)
    pictures = _extract(folder, set(rows), report)
    shown = [row for key, row in rows.items() if key in pictures]
    if not shown:
        raise UnknownData(f"{folder} has a fashion catalogue, but no .tar with its pictures.")
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.permutation(len(shown))[:products].tolist())
    plans = tuple(_plan(shown[at], pictures[shown[at]["id"]], rng) for at in chosen)
    return Assortment(
        products=plans,
        departments=("Apparel", "Footwear", "Accessories", "Personal Care"),
        personas=PERSONAS,
        notice="Products and pictures are a real catalogue; prices, stock and shoppers are simulated.",
        price_note="simulated price",
        report=(
            f"{len(rows):,} products in the catalogue, {len(shown):,} with a picture, {len(plans):,} taken",
            "prices, stock and all behaviour are simulated",
        ),
    )


def _is_catalogue(file: Path) -> bool:
    with file.open(encoding="utf-8", errors="replace") as lines:
        return set(lines.readline().strip().lstrip("\ufeff").split(",")) >= NEEDED


def _rows(folder: Path) -> dict[str, dict[str, str]]:
    """Every product once; the smallest file first, since its pictures are the larger ones."""
    found: dict[str, dict[str, str]] = {}
    files = [file for file in folder.glob("*.csv") if _is_catalogue(file)]
    for file in sorted(files, key=lambda each: each.stat().st_size):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if row["id"].isdigit():
                    found.setdefault(row["id"], row)
    return found


def _extract(folder: Path, wanted: set[str], report: Report) -> dict[str, str]:
    """Copy pictures into MEDIA_ROOT, by our own names; returns id → path under MEDIA_ROOT."""
    target = Path(settings.MEDIA_ROOT) / "products"
    target.mkdir(parents=True, exist_ok=True)
    found: dict[str, str] = {}
    for archive in sorted(folder.glob("*.tar"), key=lambda each: each.stat().st_size):
        with tarfile.open(archive) as members:
            for key, data in report.bar(
                _pictures(members, wanted - set(found)), "Copying pictures"
            ):
                place = target / f"{key}.jpg"
                if not place.exists():
                    part = place.with_suffix(".part")
                    part.write_bytes(data)
                    part.replace(place)
                found[key] = f"products/{key}.jpg"
    return found


def _pictures(archive: tarfile.TarFile, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        name = PurePosixPath(member.name)
        if member.isfile() and name.suffix == ".jpg" and name.stem in wanted:
            data = archive.extractfile(member)
            if data is not None:
                yield name.stem, data.read()


def _plan(row: dict[str, str], picture: str, rng: np.random.Generator) -> ProductPlan:
    title = row["productDisplayName"].strip() or f"{row['articleType']} {row['id']}"
    price = LEVELS.get(row["articleType"], 30) * float(rng.lognormal(0, 0.35))
    options = SIZED.get(row["masterCategory"], ())
    sold_out = rng.random() < 0.04
    usage = "" if row["usage"] == "NA" else row["usage"]
    return ProductPlan(
        slug=slugify(f"{title}-{row['id']}")[-100:].strip("-"),
        title=title,
        description=(
            f"{title}. {row['articleType']} in {row['baseColour'].lower()}"
            f"{f', {usage.lower()} wear' if usage else ''}, {row['season'].lower()} {row['year']}."
        ),
        category=(row["masterCategory"], row["subCategory"], row["articleType"]),
        brand=_brand(title, row["gender"]),
        price=Decimal(round(max(price, 5))),
        picture=picture,
        colour=row["baseColour"],
        gender=row["gender"],
        age_group="child" if row["gender"] in CHILDREN else "adult",
        style=usage,
        options=options,
        stock=(0 if sold_out else 25,) * (len(options) or 1),
        untagged=int(row["id"]) % UNTAGGED == 0,
        days_old=float(rng.uniform(1, 21) if rng.random() < 0.06 else rng.uniform(200, 700)),
    )


def _brand(title: str, gender: str) -> str:
    """The words before 'Men', 'Women' …: the catalogue has no brand of its own."""
    words = title.split()
    marks = {gender, "Men", "Women", "Unisex", "Girls", "Boys", "Mens", "Womens", "Kids"}
    cut = next(
        (at for at, word in enumerate(words) if word.strip("'s") in marks or word in marks), 1
    )
    return " ".join(words[: min(cut or 1, 3)])[:80]
