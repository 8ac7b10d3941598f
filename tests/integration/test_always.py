"""Never a wrong one: what must hold of every slate and every page, whatever the shop and its placements."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import alwaysshop as al
import pytest
import servingshop as ss
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testapp.models import Product, StockRecord

from reco_plugin.models import Placement
from reco_plugin.placements import problems, read
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.serving import pointers, recommend, spots
from reco_plugin.serving.page import plan
from reco_plugin.types import Rung, Slate, SlateItem

NUMBERS = st.integers(0, al.SIZE - 1)
SOME = st.sets(NUMBERS, max_size=6)
BOUGHT_SHOWN = {"buy_again", "recently_viewed"}
"""Sources made for what was bought, too."""

CHECKED = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclasses.dataclass(frozen=True)
class World:
    """The shop at this moment, and what the shopper did."""

    sold_out: set[int]
    hidden: set[int]
    parents: dict[int, int]
    cart: set[int]
    viewed: list[int]
    bought: set[int]
    bought_long_ago: set[int]
    dismissed: set[int]
    anchor: int

    def group(self, number: int) -> int:
        return self.parents.get(number, number)

    def groups(self, numbers: Any) -> set[int]:
        return {self.group(number) for number in numbers}

    def live(self) -> set[int]:
        return set(range(al.SIZE)) - self.sold_out - self.hidden

    def allowed(self, *, beside_anchor: bool, shows_bought: bool = False) -> set[int]:
        """What may be shown."""
        out = self.groups(self.cart | self.dismissed)
        out |= self.groups({self.anchor}) if beside_anchor else set()
        out |= set() if shows_bought else self.groups(self.bought)
        return {number for number in self.live() if self.group(number) not in out}


@st.composite
def worlds(draw: Any) -> World:
    parents = draw(st.dictionaries(st.integers(9, al.SIZE - 1), st.integers(0, 8), max_size=5))
    return World(
        sold_out=draw(st.sets(NUMBERS, max_size=8)),
        hidden=draw(st.sets(NUMBERS, max_size=3)),
        parents=parents,
        cart=draw(st.sets(NUMBERS, max_size=4)),
        viewed=draw(st.lists(NUMBERS, max_size=5)),
        bought=draw(st.sets(NUMBERS, max_size=3)),
        bought_long_ago=draw(st.sets(NUMBERS, max_size=3)),
        dismissed=draw(st.sets(NUMBERS, max_size=2)),
        anchor=draw(NUMBERS),
    )


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    price = st.floats(5, 35).map(lambda value: round(value, 2))
    brand = st.sampled_from(["Acme", "Birch", "Nobody"])
    return st.one_of(
        st.builds(
            lambda op, value: {"field": "price", "op": op, "value": value},
            st.sampled_from(["at_most", "at_least"]),
            price,
        ),
        st.builds(
            lambda op, value: {"field": "brand", "op": op, "value": value},
            st.sampled_from(["is", "is_not"]),
            brand,
        ),
        st.builds(
            lambda op, value: {"field": "brand", "op": op, "value": sorted(value)},
            st.sampled_from(["in", "not_in"]),
            st.sets(brand, min_size=1),
        ),
        st.builds(
            lambda op, value: {"field": "category", "op": op, "value": value},
            st.sampled_from(["is", "is_not"]),
            st.sampled_from([*al.SHELVES, "Women", "Men"]),
        ),
        st.builds(
            lambda field, op: {"field": field, "op": op},
            st.sampled_from(["brand", "category", "gender"]),
            st.sampled_from(["same", "differs"]),
        ),
        st.builds(lambda op: {"field": "price", "op": op}, st.sampled_from(["cheaper", "dearer"])),
        st.builds(
            lambda value: {"field": "price", "op": "within", "value": value},
            st.sampled_from([0.05, 0.2, 1.0]),
        ),
    )


@st.composite
def placements(draw: Any, slug: str) -> dict[str, Any]:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3, unique=True))
    fallback = st.lists(st.sampled_from(al.FALLBACKS), max_size=2, unique=True)
    guards = st.lists(st.sampled_from(["gender", "category", "brand"]), max_size=2, unique=True)
    most = draw(st.integers(1, al.SIZE))
    return {
        "slug": slug,
        "page": "product",
        "order": draw(st.integers(0, 3)),
        "kinds": [
            {"kind": kind, "weight": draw(st.sampled_from([0.5, 1.0, 3.0]))} for kind in kinds
        ],
        "fallback": [kind for kind in draw(fallback) if kind not in kinds],
        "min_items": draw(st.integers(0, min(most, 3))),
        "max_items": most,
        "filters": draw(st.lists(conditions(), max_size=2)),
        "must_match": draw(guards),
        "must_differ": draw(st.lists(st.sampled_from(["category", "brand"]), max_size=1)),
        "diversity": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "caps": draw(
            st.dictionaries(
                st.sampled_from(["brand", "category", "gender"]), st.integers(1, 3), max_size=2
            )
        ),
        "rotate_after": draw(st.sampled_from([0, 2])),
        "explore": draw(st.sampled_from([0.0, 0.3, 1.0])),
    }


PAGES = st.integers(1, 4).flatmap(
    lambda count: st.tuples(*(placements(f"spot_{number}") for number in range(count)))
)


@pytest.fixture
def shop(db: None, settings: Any) -> al.Always:
    settings.RECO_CART = "servingcart.keys"
    return al.build()


def live_in(shop: al.Always, world: World) -> None:
    """Make the shop so. In a transaction that is rolled back."""
    for child, parent in world.parents.items():
        Product.objects.filter(pk=shop.key(child)).update(canonical_id=shop.key(parent))
    numbers = [shop.key(number) for number in world.sold_out]
    StockRecord.objects.filter(product__in=numbers).update(count=0)
    hidden = [shop.key(number) for number in world.hidden]
    Product.objects.filter(pk__in=hidden).update(hidden=True)
    shop.viewed(*world.viewed)
    for number in world.bought:
        shop.bought(number, days=3)
    for number in world.bought_long_ago:
        shop.bought(number, days=90)
    for number in world.dismissed:
        shop.dismissed(number)


def anchor_of(shop: al.Always, world: World) -> Product:
    """The page's product as a view reads it: it knows whose variant it is now."""
    return Product.objects.get(pk=shop.key(world.anchor))


def request(shop: al.Always, world: World) -> Any:
    made = ss.request()
    made.COOKIES["reco_visitor"] = str(shop.shopper.id)
    made.cart = [shop.key(number) for number in world.cart]
    return made


def check(shop: al.Always, world: World, slate: Slate, *, limit: int, beside_anchor: bool) -> None:
    """What holds of any slate."""
    shown = shop.numbers(slate)
    may = world.allowed(beside_anchor=beside_anchor)
    may_again = world.allowed(beside_anchor=beside_anchor, shows_bought=True)
    for number, item in zip(shown, slate, strict=True):
        assert number in (may_again if item.source in BOUGHT_SHOWN else may), (number, item)
        assert item.product.pk == item.key
        assert item.reason or item.source, item
        assert item.probability is None or 0 < item.probability <= 1
        check_seen(shop, world, number, item, beside_anchor=beside_anchor)
    assert len(world.groups(shown)) == len(shown), "two variants of a product"
    assert len(shown) <= limit
    assert [item.position for item in slate] == list(range(len(shown)))
    assert bool(slate) is (slate.rung is not Rung.NOTHING)
    errors = [note for note in slate.notes if "error" in note]
    assert not errors, errors


def check_seen(
    shop: al.Always, world: World, number: int, item: SlateItem, *, beside_anchor: bool
) -> None:
    """What is by sight has been seen, and what completes a look is no second of what is there."""
    word, _colon, about = item.reason.partition(":")
    if word not in ("looks_like", "goes_with_look"):
        return
    line = next(each for each in range(al.SIZE) if str(shop.key(each)) == about)
    assert {number, line} <= al.SEEN
    if word == "goes_with_look":
        beside = {world.group(world.anchor), world.anchor} if beside_anchor else world.cart
        assert al.completes(number, line, {line, *beside}), (number, line)


@CHECKED
@given(
    data=st.data(),
    world=worlds(),
    limit=st.integers(1, al.SIZE),
    with_product=st.booleans(),
)
def test_any_kind_shows_only_what_may_be_shown(shop, settings, data, world, limit, with_product):
    settings.RECO_DEBUG_RAISE = True
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    with transaction.atomic():
        live_in(shop, world)
        slate = recommend(
            kind,
            request=request(shop, world),
            product=anchor_of(shop, world) if with_product else None,
            limit=limit,
        )
        check(shop, world, slate, limit=limit, beside_anchor=with_product)
        shown = shop.numbers(slate)
        transaction.set_rollback(True)
    pointers.forget()
    ends_in_popular = "popular" in KINDS[kind].sources
    if ends_in_popular:
        eligible = world.groups(world.allowed(beside_anchor=with_product))
        assert len(shown) == min(limit, len(eligible))


def ask_at_once(request: Any, names: list[str], product: Product) -> Mapping[str, Slate]:
    return plan(request, names, product=product)


def ask_one_by_one(request: Any, names: list[str], product: Product) -> Mapping[str, Slate]:
    return {name: recommend(name, request=request, product=product) for name in names}


@pytest.mark.parametrize("ask", [ask_at_once, ask_one_by_one])
@CHECKED
@given(world=worlds(), page=PAGES)
def test_a_page_of_any_placements_keeps_every_rule_of_each(shop, settings, ask, world, page):
    settings.RECO_DEBUG_RAISE = True
    with transaction.atomic():
        live_in(shop, world)
        rows = [Placement.objects.create(**values) for values in page]
        usable = {row.slug for row in rows if read(row)[0] is not None}
        sound = [values for values in page if values["slug"] in usable]
        names = [values["slug"] for values in sound]
        slates = ask(request(shop, world), names, anchor_of(shop, world))
        check_page(shop, world, sound, slates)
        transaction.set_rollback(True)
    pointers.forget()
    spots.forget()


def check_page(
    shop: al.Always, world: World, page: Sequence[dict[str, Any]], slates: Mapping[str, Slate]
) -> None:
    anchor = al.facts(world.group(world.anchor))  # a variant is known by what it is a variant of
    taken: set[int] = set()
    for values in page:
        slug, slate = values["slug"], slates[values["slug"]]
        check(shop, world, slate, limit=values["max_items"], beside_anchor=True)
        shown = shop.numbers(slate)
        assert set(shown) <= _fitting(values, anchor), (slug, "mismatches a filter or a guard")
        over = al.over_a_cap(values["caps"], [al.facts(number) for number in shown])
        assert not over, (slug, "is over its cap on", over)
        assert not shown or len(shown) >= values["min_items"]
        twice = world.groups(shown) & taken
        assert not twice, (slug, "is on the page already", twice)
        taken |= world.groups(shown)
    for values in page:
        shown = shop.numbers(slates[values["slug"]])
        _check_full(world, values, shown, _fitting(values, anchor), taken)


def _fitting(values: dict[str, Any], anchor: al.Facts) -> set[int]:
    return {
        number
        for number in range(al.SIZE)
        if all(al.passes(one, al.facts(number), anchor) for one in values["filters"])
        and al.guarded(values["must_match"], values["must_differ"], al.facts(number), anchor)
    }


def _check_full(
    world: World, values: dict[str, Any], shown: list[int], fits: set[int], taken: set[int]
) -> None:
    """Where the popular products may fill up, nothing that fits is left over that no spot shows."""
    if "popular" not in [*values["fallback"], *(one["kind"] for one in values["kinds"])]:
        return
    room = values["max_items"] - len(shown)
    left = {n for n in world.allowed(beside_anchor=True) & fits if world.group(n) not in taken}
    found = [al.facts(number) for number in shown]
    left = {n for n in left if not al.over_a_cap(values["caps"], [*found, al.facts(n)])}
    short = len(shown) + len(world.groups(left)) < values["min_items"]
    short |= not shown and bool(values["caps"]) and values["min_items"] > 1  # hard to tell
    assert room == 0 or not left or short, (values["slug"], "could have shown", left)


def test_an_empty_slate_says_why(shop, settings):
    settings.RECO_DEBUG_RAISE = True
    shop.viewed(7)
    StockRecord.objects.update(count=0)
    for kind in sorted(KINDS):
        slate = recommend(kind, shopper=shop.shopper, product=shop.products[3])
        assert not slate
        assert slate.notes, kind


@given(page=PAGES)
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_here_is_what_a_merchandiser_could_write(page):
    """Most of the placements of these tests are sound, so that the tests say something."""
    from reco_plugin.placements import from_json

    for values in page:
        found = problems(from_json(values))
        assert all("exclude every product" in one or "no product does both" in one for one in found)
