"""A small shop in which every kind of recommendation has something to say, and plain words for its rules.

The rules are written down here a second time, as a merchandiser would say them, so that what serving does
is held against them and not against itself.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any

import looksshop as looks
import servingshop as ss
from django.utils import timezone
from testapp.models import Category, Product, StockRecord

from reco_plugin.models import Item, ManualLink, RankedList, Related, Run, RunStatus
from reco_plugin.types import EventKind

SIZE = 18
SHELVES = ("Women > Shoes", "Women > Bags", "Men > Shoes")
BRANDS = ("Acme", "Birch", "Cedar", "")
GENDERS = ("female", "male", "unisex", "")
LISTS = ("popular", "trending", "converting", "tail", "sale")
RELATIONS = ("bought_together", "viewed_viewed", "viewed_bought", "bought_bought")
SEEN = frozenset(number for number in range(SIZE) if number % 5 != 4)
"""Those that have a picture."""
FALLBACKS = ("popular", "personal", "similar", "trending", "new_arrivals")


@dataclass(frozen=True)
class Facts:
    """What is known of product number n."""

    brand: str
    category: str
    gender: str
    price: float

    def said(self, field: str) -> str:
        return {"brand": self.brand, "category": self.category, "gender": self.gender}[field]


def facts(number: int) -> Facts:
    return Facts(
        brand=BRANDS[number % 4],
        category=SHELVES[number // 6 % 3],
        gender=GENDERS[number // 2 % 4],
        price=10.0 + number,
    )


@dataclass(repr=False)
class Always(ss.Shop):
    runs: dict[str, Run] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "the shop"

    def key(self, number: int) -> uuid.UUID:
        return self.products[number].pk

    def bought(self, number: int, days: float) -> None:
        self.did(EventKind.PURCHASE, self.products[number], days=days)

    def dismissed(self, number: int) -> None:
        self.did(EventKind.DISMISS_ITEM, self.products[number], days=2)


def build() -> Always:
    """Products, their synced facts, and a live run of every kind."""
    made = _products()
    shop = Always(products=made)
    ss.publish(shop)
    for of in LISTS:
        shop.runs[of] = _ranked(shop, of)
    shop.runs["behaviour"] = _related(shop)
    angles = {number: 0.3 * (number % 7) for number in SEEN}
    shop.runs["visual"] = looks.publish(shop, angles, lists=SIZE // 2)
    for number in range(SIZE):
        for place, step in enumerate((5, 9)):
            ManualLink.objects.create(
                product_id=made[number].pk,
                target_id=made[(number + step) % SIZE].pk,
                order=place,
            )
    return shop


def _products() -> list[Product]:
    shelves: dict[str, Category] = {}
    for path in SHELVES:
        root, leaf = path.split(" > ")
        if root not in shelves:
            shelves[root] = Category.objects.create(label=root)
        shelves[path] = Category.objects.create(label=leaf, parent=shelves[root])
    made = [
        Product(
            pk=uuid.UUID(int=number + 1),
            label=f"Thing {number}",
            maker=facts(number).brand,
            cents=int(facts(number).price * 100),
            facts={"gender": facts(number).gender} if facts(number).gender else {},
        )
        for number in range(SIZE)
    ]
    Product.objects.bulk_create(made)
    StockRecord.objects.bulk_create([StockRecord(product=each, count=5) for each in made])
    for number, product in enumerate(made):
        product.shelves.add(shelves[facts(number).category])
        ss.item(
            product,
            title=product.label,
            brand=facts(number).brand,
            categories=[facts(number).category],
            price=facts(number).price,
            attributes=product.facts,
            available_since=timezone.now() - dt.timedelta(days=number * 3 + 1),
        )
    assert Item.objects.count() == SIZE
    return made


def _ranked(shop: Always, of: str) -> Run:
    """Every product, each list in an order of its own; in each category, too."""
    run = Run.objects.create(kind=of, trainer=of, status=RunStatus.PUBLISHED)
    turn = LISTS.index(of) * 4
    order = [(number * 5 + turn) % SIZE for number in range(SIZE)]
    segments = {"": order}
    for path in SHELVES:
        segments[path] = [number for number in order if facts(number).category == path]
        root = path.partition(" > ")[0]
        segments[root] = [number for number in order if facts(number).category.startswith(root)]
    for segment, numbers in segments.items():
        RankedList.objects.create(
            run=run,
            segment=segment,
            keys=[str(shop.key(number)) for number in numbers],
            scores=[2.0 + len(numbers) - place for place in range(len(numbers))],
        )
    ss.activate(run)
    return run


def _related(shop: Always) -> Run:
    run = Run.objects.create(kind="behaviour", trainer="behaviour", status=RunStatus.PUBLISHED)
    rows = []
    for number in range(SIZE):
        for at, relation in enumerate(RELATIONS):
            near = [(number + at + step) % SIZE for step in (1, 3, 6, 10)]
            rows.append(
                Related(
                    run=run,
                    product_id=shop.key(number),
                    relation=relation,
                    keys=[str(shop.key(each)) for each in near],
                    scores=[0.9, 0.7, 0.5, 0.3],
                    facts={
                        "support": [9, 8, 7, 6],
                        "confidence": [0.9, 0.7, 0.5, 0.3],
                        "lift": [3.0, 2.5, 2.0, 1.5],
                        "shoppers": [9, 8, 7, 6],
                    },
                )
            )
        rows.append(
            Related(
                run=run,
                product_id=shop.key(number),
                relation="buy_again",
                keys=[str(shop.key(number))],
                scores=[20.0],
                facts={"shoppers": [9], "spread": [4.0]},
            )
        )
    Related.objects.bulk_create(rows)
    ss.activate(run)
    return run


def completes(number: int, line: int, lines: set[int]) -> bool:
    """Is product `number` part of a look with `line`, beside `lines`, as far as can be said in words?"""
    shelves = {facts(each).category.rpartition(" > ")[2] for each in lines}
    ours, theirs = facts(number), facts(line)
    of_one = not ours.gender or not theirs.gender or ours.gender in (theirs.gender, "unisex")
    apart = ours.category.rpartition(" > ")[2] not in shelves
    return of_one and apart and {number, line} <= SEEN


# --- the rules, in other words -------------------------------------------------------------------


def passes(condition: dict[str, Any], found: Facts, anchor: Facts | None) -> bool:
    """Does a product meet one filter?"""
    name, op, value = condition["field"], condition["op"], condition.get("value")
    if op in ("same", "differs", "within", "cheaper", "dearer"):
        return anchor is None or _beside(name, op, value, found, anchor)
    if name == "price":
        return found.price <= value if op == "at_most" else found.price >= value
    named = {found.said(name)}
    if name == "category":
        named.add(found.category.partition(" > ")[0])
    listed = set(value) if isinstance(value, list) else {value}
    if op in ("is", "in"):
        return bool(named & listed)
    return not named & listed


def _beside(name: str, op: str, value: Any, found: Facts, anchor: Facts) -> bool:
    if op == "within":
        return abs(found.price - anchor.price) <= anchor.price * value + 1e-6
    if op in ("cheaper", "dearer"):
        return found.price < anchor.price if op == "cheaper" else found.price > anchor.price
    ours, theirs = found.said(name), anchor.said(name)
    if not ours or not theirs:
        return True
    if name == "category" and op == "differs":
        return ours.rpartition(" > ")[2] != theirs.rpartition(" > ")[2]
    return (ours == theirs) is (op == "same")


def guarded(must_match: list[str], must_differ: list[str], found: Facts, anchor: Facts) -> bool:
    """Does a product stand beside the page's product?"""
    for name in must_match:
        ours, theirs = found.said(name), anchor.said(name)
        if ours and theirs and ours != theirs and not (name == "gender" and ours == "unisex"):
            return False
    return all(_beside(name, "differs", None, found, anchor) for name in must_differ)


def over_a_cap(caps: dict[str, int], shown: list[Facts]) -> str:
    """The cap that a slate breaks, or ''."""
    for name, most in caps.items():
        values = [each.said(name) for each in shown if each.said(name)]
        if any(values.count(value) > most for value in set(values)):
            return name
    return ""
