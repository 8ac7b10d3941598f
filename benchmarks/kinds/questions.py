"""What each kind is asked, and what it should have said: one `Question` per row of the table.

Every floor is a plain list that the kind itself might show. So what trends is asked about what rises, beside the
plain growth of its own definition: what sells is what is popular, and no kind that shows what is rising answers
that. What is rarely shown is asked about what was rarely sold lately, beside any of the same. And a product that
nobody has met is held against those whose titles share its words: those who buy a new product first buy much of
everything, and most of all what is popular, which is like nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.kinds.figures import RISEN, risen
from benchmarks.kinds.shop import Orders, Shop
from benchmarks.kinds.titles import ALIKE, alike
from reco_plugin.trainers.tail import in_tail
from reco_plugin.types import Shopper

NEW_DAYS = 30
DAY, WEEK = np.timedelta64(1, "D"), np.timedelta64(7, "D")
RECENT, MONTH = np.timedelta64(28, "D"), np.timedelta64(30, "D")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One call, and the products (or names) that would have been right."""

    wanted: frozenset[Any]
    shopper: Shopper | None = None
    product: int | None = None
    cart: tuple[int, ...] = ()
    interests: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Question:
    """A row of the table."""

    name: str
    """What --only calls it."""
    kind: str
    asked: str
    """In words."""
    cases: list[Case] = field(default_factory=list)
    floor: str = "popular"
    """A kind of slate, or the name of a list in `lists`."""
    lists: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Floors that are the same for everyone."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """A floor that each product has of its own."""
    facet: str = ""
    """'category' or 'brand': names are asked for, not products."""
    note: str = ""


class Asking:
    """Draws the cases of each question from a shop; the same seed draws the same."""

    def __init__(self, shop: Shop, *, most: int, seed: int) -> None:
        self.shop, self.past, self.after = shop, shop.past, shop.after
        self.most = most
        self._seed = seed
        self.returning = [name for name in self.after.of_customer if name in self.past.of_customer]

    def warm(self, name: str) -> Question:
        """One of `names.WARM`."""
        made: Question = getattr(self, name)()
        return made

    def cold(self, name: str, newborn: Mapping[str, int], after: Orders) -> Question:
        """One of `names.COLD`; `after` knows the keys of the newborn."""
        if name == "newborn":
            return self.new_products(newborn, after)
        return self.new_visitor() if name == "new_visitor" else self.one_category()

    def random(self, salt: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, *salt.encode()])

    def some(self, rows: Sequence[Any], salt: str) -> list[Any]:
        """At most `most` of them, in their order."""
        if len(rows) <= self.most:
            return list(rows)
        chosen = self.random(salt).choice(len(rows), self.most, replace=False)
        return [rows[at] for at in np.sort(chosen)]

    # --- of one shopper ----------------------------------------------------------------------

    def personal(self) -> Question:
        """New products only; what was ever bought is kept out, by the setting a shop has for it."""
        return Question(
            name="personal",
            kind="personal",
            asked="new products of the weeks after",
            cases=self._of_shoppers(lambda known, later: later - known),
            settings={"RECO_EXCLUDE_PURCHASED_DAYS": 10_000},
        )

    def buy_again(self) -> Question:
        return Question(
            name="buy_again",
            kind="buy_again",
            asked="products bought again in the weeks after",
            cases=self._of_shoppers(lambda known, later: later & known),
            settings={"RECO_EXCLUDE_PURCHASED_DAYS": 0},
            note="floor: popular, nothing kept out",
        )

    def new_arrivals(self) -> Question:
        fresh = self._fresh()
        newest = sorted(fresh, key=lambda key: -self._born[key])
        return Question(
            name="new_arrivals",
            kind="new_arrivals",
            asked=f"products up to {NEW_DAYS} days old, bought in the weeks after",
            cases=self._of_shoppers(lambda known, later: (later - known) & fresh),
            floor="newest first",
            lists={"newest first": newest},
            note=f"{len(fresh)} products were new",
        )

    def long_tail(self) -> Question:
        """Of what lately sold, all but the fewest products that most sales are of, as the kind itself has it."""
        sold = _bought(self.past, self.past.at >= self.shop.split - MONTH)
        keys = np.array(sorted(sold))
        tail = keys[in_tail(np.array([sold[key] for key in keys.tolist()], np.float32))].tolist()
        drawn = self.random("tail").permutation(tail).tolist()
        rest = frozenset(tail)
        return Question(
            name="long_tail",
            kind="long_tail",
            asked="new products of the weeks after, out of those rarely sold in the month before",
            cases=self._of_shoppers(lambda known, later: (later - known) & rest),
            floor="any of those",
            lists={"any of those": drawn},
            note=f"{len(tail)} of the {len(keys)} products that sold at all",
        )

    def categories(self) -> Question:
        names = self.shop.category
        sold = np.unique(
            [names[key] for key in self.past.product.tolist() if key in names], return_counts=True
        )
        popular = sold[0][np.argsort(-sold[1])].tolist()
        found = self._of_shoppers(lambda known, later: later - known)
        cases = [
            Case(shopper=case.shopper, wanted=frozenset(names[key] for key in case.wanted))
            for case in found
        ]
        return Question(
            name="categories",
            kind="categories for you",
            asked="categories of new products of the weeks after, first 3",
            cases=cases,
            floor="most sold",
            lists={"most sold": popular},
            facet="category",
            note=f"{len(popular)} categories, guessed from words of the titles",
        )

    def _of_shoppers(
        self, right: Callable[[frozenset[int], frozenset[int]], frozenset[int]]
    ) -> list[Case]:
        cases = []
        for name in self.returning:
            known, later = self.past.bought(name), self.after.bought(name)
            wanted = right(frozenset(known), frozenset(later))
            if wanted and name in self.shop.shoppers:
                cases.append(Case(shopper=self.shop.shoppers[name], wanted=wanted))
        return self.some(cases, "shoppers")

    # --- of a product or a cart --------------------------------------------------------------

    def together(self) -> Question:
        cases = [
            Case(product=rest[0], wanted=frozenset({hidden})) for hidden, rest in self._hidden()
        ]
        return Question(
            name="together",
            kind="bought_together",
            asked="a hidden product of a later basket, from one other",
            cases=cases,
        )

    def cart(self) -> Question:
        cases = [
            Case(cart=tuple(rest), wanted=frozenset({hidden})) for hidden, rest in self._hidden()
        ]
        return Question(
            name="cart",
            kind="bought_together",
            asked="a hidden product of a later basket, from all others",
            cases=cases,
        )

    def viewed(self, kind: str) -> Question:
        """The log has no views: a look before each purchase stands in for them."""
        cases = [
            Case(product=rest[0], wanted=frozenset({hidden})) for hidden, rest in self._hidden()
        ]
        return Question(
            name=kind,
            kind=kind,
            asked="a hidden product of a later basket, from one other",
            cases=cases,
            note="the log has no views; a look before each purchase stands in",
        )

    def _hidden(self) -> Iterator[tuple[int, list[int]]]:
        rng = self.random("basket")
        baskets = [keys for keys in self.after.baskets.values() if len(keys) >= 2]
        for keys in self.some(baskets, "baskets"):
            dealt = rng.permutation(keys).tolist()
            yield dealt[0], dealt[1:]

    def after_one(self) -> Question:
        return self._next_basket(
            "after_one", "one product", lambda last, rng: {"product": int(rng.choice(last))}
        )

    def after_order(self) -> Question:
        return self._next_basket("after_order", "all", lambda last, _: {"cart": tuple(last)})

    def _next_basket(
        self, name: str, of: str, about: Callable[[list[int], Any], dict[str, Any]]
    ) -> Question:
        rng = self.random("next")
        cases = []
        for who in self.some(self.returning, "next"):
            last = _basket(self.past, self.past.of_customer[who][-1])
            following = _basket(self.after, self.after.of_customer[who][0])
            wanted = frozenset(following) - frozenset(self.past.bought(who))
            if wanted:
                cases.append(Case(wanted=wanted, **about(last, rng)))
        return Question(
            name=name,
            kind="bought_bought",
            asked=f"new products of the next basket, from {of} of the last",
            cases=cases,
        )

    def similar(self) -> Question:
        rng = self.random("similar")
        cases = []
        for name in self.some(list(self.after.of_customer), "similar"):
            bought = self.after.bought(name)
            if len(bought) < 2:
                continue
            dealt = rng.permutation(bought).tolist()
            cases.append(Case(product=dealt[0], wanted=frozenset(dealt[1:])))
        return Question(
            name="similar",
            kind="similar",
            asked="what its buyers also bought in the weeks after",
            cases=cases,
            note="likeness is not what a log of orders asks about",
        )

    # --- the same for everyone ---------------------------------------------------------------

    def popular(self) -> Question:
        return self.week("popular", floor="any product")

    def best_converting(self) -> Question:
        return self.week("best_converting", note="no views to divide by: purchases alone")

    def trending(self) -> Question:
        """What is popular is bought by more; what rises is what a trend is asked about."""
        wanted = self._of_the_week()
        lately = _bought(self.past, self.past.at >= self.shop.split - RECENT)
        more = risen(_counted(wanted), lately)
        return Question(
            name="trending",
            kind="trending",
            asked="of the week after, products with twice their share of the four weeks before",
            cases=[Case(wanted=frozenset(keys & more)) for keys in wanted if keys & more],
            floor="plain growth of the last day",
            lists={"plain growth of the last day": self._grown()},
            note=f"{len(more)} products rose, each bought by {RISEN} shoppers or more",
        )

    def _grown(self) -> list[int]:
        """By the buyers of the last 24 hours, less those that a day of the 72 hours before had."""
        since = self.past.at.max() - DAY
        before = (self.past.at < since) & (self.past.at >= since - 3 * DAY)
        grown = {key: float(n) for key, n in _bought(self.past, self.past.at >= since).items()}
        for key, count in _bought(self.past, before).items():
            grown[key] = grown.get(key, 0.0) - count / 3
        return sorted(grown, key=lambda key: -grown[key])

    def _of_the_week(self) -> list[set[int]]:
        return _baskets(self.after, self.after.at < self.shop.split + WEEK)

    def week(self, kind: str, *, floor: str = "popular", note: str = "") -> Question:
        drawn = self.random("any").permutation(list(self.shop.keys.values())).tolist()
        return Question(
            name=kind,
            kind=kind,
            asked="what shoppers of the week after bought",
            cases=[Case(wanted=frozenset(keys)) for keys in self._of_the_week()],
            floor=floor,
            lists={"any product": drawn},
            note=note,
        )

    # --- cold --------------------------------------------------------------------------------

    def new_products(self, newborn: Mapping[str, int], after: Orders) -> Question:
        rng = self.random("newborn")
        fresh = frozenset(newborn.values())
        cases = []
        for name in after.of_customer:
            bought = after.bought(name)
            new = [key for key in bought if key in fresh]
            rest = frozenset(bought) - fresh
            if new and rest:
                cases.append(Case(product=int(rng.choice(new)), wanted=rest))
        asked = self.some(cases, "newborn")
        return Question(
            name="newborn",
            kind="similar",
            asked="to a product saved a tick ago: what its first buyers also bought",
            cases=asked,
            floor=ALIKE,
            beside=alike({case.product for case in asked if case.product}, self.shop.titles()),
            note=f"cold start; {len(fresh)} new products, {len({one.product for one in asked})} asked about",
        )

    def new_visitor(self) -> Question:
        return Question(
            name="new_visitor",
            kind="personal",
            asked="first basket of someone nothing is known of",
            cases=[Case(wanted=wanted) for wanted, _ in self._first_baskets()],
            note="cold start; the log tells no circumstances to go by",
        )

    def one_category(self) -> Question:
        """They name the category of one product of the basket, which then counts no more."""
        names = self.shop.category
        cases = []
        for wanted, shopper in self._first_baskets():
            told = min(wanted)
            rest = wanted - {told}
            if rest:
                interests = (("category", names[told]),)
                cases.append(Case(shopper=shopper, wanted=rest, interests=interests))
        return Question(
            name="one_category",
            kind="personal",
            asked="rest of a first basket, of someone who named one category of it",
            cases=cases,
            note="cold start",
        )

    def _first_baskets(self) -> Iterator[tuple[frozenset[int], Shopper]]:
        import uuid

        new = [name for name in self.after.of_customer if name not in self.past.of_customer]
        for name in self.some(new, "first"):
            basket = _basket(self.after, self.after.of_customer[name][0])
            yield frozenset(basket), Shopper(id=uuid.uuid5(uuid.NAMESPACE_OID, f"new {name}"))

    # --- of products -------------------------------------------------------------------------

    def _fresh(self) -> frozenset[int]:
        since = (self.shop.split - np.timedelta64(NEW_DAYS, "D")).astype("datetime64[s]")
        return frozenset(key for key, at in self._born.items() if at >= since.astype(np.int64))

    @property
    def _born(self) -> dict[int, int]:
        """First sale, in seconds of the epoch."""
        found: dict[int, int] = {}
        seconds = self.past.at.astype("datetime64[s]").astype(np.int64)
        for key, at in zip(self.past.product.tolist(), seconds.tolist(), strict=True):
            found.setdefault(key, at)
        return found


def _basket(orders: Orders, row: int) -> list[int]:
    return orders.baskets[orders.invoice[row]]


def _baskets(orders: Orders, chosen: Any) -> list[set[int]]:
    """What each customer (each order of a guest) bought, of the chosen lines."""
    found: dict[str, set[int]] = {}
    columns = (orders.customer[chosen], orders.invoice[chosen], orders.product[chosen])
    for name, invoice, key in zip(*(column.tolist() for column in columns), strict=True):
        if key >= 0:
            found.setdefault(name or invoice, set()).add(key)
    return list(found.values())


def _bought(orders: Orders, chosen: Any) -> Counter[int]:
    """Distinct buyers of each product, of the chosen lines."""
    return _counted(_baskets(orders, chosen))


def _counted(baskets: Iterable[set[int]]) -> Counter[int]:
    return Counter(key for keys in baskets for key in keys)
