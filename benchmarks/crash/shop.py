"""The shop whose jobs are killed: it grows a little before each kill, and knows what must be in our tables."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.crash import doing
from benchmarks.crash.pictures import Pictures, blind

if TYPE_CHECKING:
    from benchmarks.shop.models import Product

PRODUCTS, SHELVES, SHOPPERS, EACH = 120, 6, 120, 14
NAMELESS = 10
"""Every so-manieth product has no brand: its picture tells."""
OLD_DAYS = 400
LONG = dt.timedelta(days=8)
SIGHT = ("pictures", "fine_tune", "encode")
"""What is done before a job that looks at what they made."""
BEFORE = {
    "fine_tune": ("pictures",),
    "encode": ("pictures", "fine_tune"),
    "catalogue_map": SIGHT,
    "suggest": SIGHT,
    "score": SIGHT,
}
DECIDED = "decided"
"""A value that a merchandiser gave."""


class Shop:
    """Products of six shelves, shoppers with a favourite one each, and pictures that show which."""

    def __init__(self, folder: Path) -> None:
        from benchmarks.shop import generate
        from benchmarks.shop.models import Product

        generate.fill_shop(PRODUCTS)
        self.products: list[Product] = list(Product.objects.order_by("pk"))
        self.sees = "encode" in doing.jobs()
        self.pictures = Pictures(folder, SHELVES)
        self.views: Counter[dt.date] = Counter()
        self.lines = self.turn = 0
        self.newest = PRODUCTS
        self.changed = self.products[0].pk
        self.gone: list[int] = []
        """Products that the shop deleted without a word."""
        self.met = 0
        """Periods that had something to be judged by."""
        self._arrange()
        self._history()

    def brand(self, key: int) -> str:
        """What a product's picture tells, whatever the shop says."""
        return f"Brand {(key - 1) % SHELVES}"

    @property
    def nameless(self) -> set[int]:
        return {row.pk for row in self.products if row.pk % NAMELESS == 0}

    def _arrange(self) -> None:
        """A shelf is a category, a brand and a colour."""
        from benchmarks.shop.models import Category, Product
        from reco_plugin.jobs.running.execute import execute

        leaves = list(Category.objects.exclude(parent=None).order_by("pk")[:SHELVES])
        for row in self.products:
            row.category = leaves[(row.pk - 1) % SHELVES]
            row.brand = "" if row.pk in self.nameless else self.brand(row.pk)
            if self.sees:
                self.pictures.draw(row.pk, (row.pk - 1) % SHELVES)
        Product.objects.bulk_update(self.products, ["category", "brand"])
        execute("sync_items")

    def _history(self) -> None:
        """Something to learn."""
        dice, today = random.Random(7), dt.datetime.now(dt.UTC)
        for person in range(SHOPPERS):
            own = [row for row in range(PRODUCTS) if row % SHELVES == person % SHELVES]
            for _ in range(EACH):
                row = dice.choice(own) if dice.random() < 0.9 else dice.randrange(PRODUCTS)
                self._view(
                    person,
                    self.products[row].pk,
                    today - dt.timedelta(days=1 + dice.random() * 38),
                )

    def _view(self, person: int, key: int, at: dt.datetime) -> None:
        self._event(person, key, at)
        self.views[at.date()] += 1

    def _event(self, person: int, key: int, at: dt.datetime) -> None:
        from reco_plugin.models import Interaction
        from reco_plugin.types import EventKind, EventSource

        product: Any = key
        Interaction.objects.create(
            event_id=uuid.uuid4(),
            kind=EventKind.VIEW_ITEM,
            shopper=uuid.UUID(int=person + 1),
            product_id=product,
            source=EventSource.TRACK,
            occurred_at=at,
        )

    # --- something to do ---------------------------------------------------------------------

    def stir(self, name: str, *, is_late: bool = True) -> None:
        """Something for the job to do: orders, events of now and of long ago, a changed product; and what only it
        looks at. `is_late`: its last run was made so long ago that nothing of it counts any more."""
        from django.db.models import F

        from reco_plugin.jobs.running.specs import specs
        from reco_plugin.models import Run

        if is_late:
            Run.objects.update(created_at=F("created_at") - LONG)
        if is_late and name in specs() and "train" in specs()[name].needs:
            _do("train")
        self.turn += 1
        dice = random.Random(self.turn)
        self._sell(dice)
        self._look(dice)
        self._rename()
        {"arrivals": self._bear, "evaluate": self._meet, "sweep": self._delete}.get(
            name, _nothing
        )()
        if self.sees:
            self._show(name, is_late=is_late)

    def _sell(self, dice: random.Random) -> None:
        from benchmarks.shop.models import Order, OrderLine

        order = Order.objects.create()
        for row in dice.sample(range(PRODUCTS), 3):
            OrderLine.objects.create(order=order, product=self.products[row], unit_price=5)
        self.lines += 3

    def _look(self, dice: random.Random) -> None:
        now = dt.datetime.now(dt.UTC)
        for _ in range(12):
            long_ago = now - dt.timedelta(days=OLD_DAYS + self.turn)
            for at in (now, long_ago):
                row = dice.randrange(PRODUCTS)
                self._view(dice.randrange(SHOPPERS), self.products[row].pk, at)

    def _rename(self) -> None:
        from benchmarks.shop.models import Product

        self.changed = self.products[self.turn % PRODUCTS].pk
        Product.objects.filter(pk=self.changed).update(title=f"Changed {self.turn}")

    def _bear(self) -> None:
        """A product above those filled in."""
        from benchmarks.shop.models import Product

        self.newest = PRODUCTS + self.turn
        like = self.products[(self.newest - 1) % SHELVES]
        Product.objects.create(
            pk=self.newest,
            title=f"New {self.turn}",
            price=5,
            category_id=like.category_id,
            brand=self.brand(self.newest),
        )
        if self.sees:
            self.pictures.draw(self.newest, (self.newest - 1) % SHELVES)

    def _meet(self) -> None:
        """Shoppers with a past do something new: something to judge the live run by."""
        dice, now = random.Random(-self.turn), dt.datetime.now(dt.UTC)
        for person in range(SHOPPERS // 2):
            for _ in range(4):
                self._view(person, self.products[dice.randrange(PRODUCTS)].pk, now)
        self.met += 1

    def _delete(self) -> None:
        """A product that nobody else knows of comes, is looked at, and goes by raw SQL."""
        from benchmarks.shop.models import Product
        from reco_plugin.models import Item

        key = 10 * PRODUCTS * PRODUCTS + self.turn
        product = Product(pk=key, title="Gone", price=5, category_id=self.products[0].category_id)
        Product.objects.bulk_create([product])
        Item.objects.create(product=product)
        for person in range(3):
            self._event(person, key, dt.datetime.now(dt.UTC))
        Product.objects.filter(pk=key)._raw_delete("default")
        self.gone.append(key)

    # --- pictures ----------------------------------------------------------------------------

    def _show(self, name: str, *, is_late: bool) -> None:
        """Another picture of the changed product, and what must have been done before the job."""
        if name not in {"pictures", *BEFORE}:
            return
        self.pictures.draw(self.changed, (self.changed - 1) % SHELVES)
        for one in BEFORE.get(name, ()):
            _do(one)
        if name == "encode" and not is_late:
            _do("score")  # a changed product then joins lists
        {"fine_tune": blind, "suggest": self._decide}.get(name, _nothing)()

    def _decide(self) -> None:
        """A merchandiser accepts a suggestion, once."""
        from reco_plugin.models import Suggestion

        rows = Suggestion.objects.order_by("pk")
        some = rows.exclude(product=self.changed).first()
        if some is not None and not rows.exclude(state=Suggestion.State.OPEN).exists():
            some.state, some.value = Suggestion.State.ACCEPTED, DECIDED
            some.save()


def _do(name: str) -> None:
    """Raises RuntimeError for a job that fails by itself."""
    doing.demand(doing.Task(job=name, is_late=True))


def _nothing() -> None:
    """Most jobs have something to do anyway."""
