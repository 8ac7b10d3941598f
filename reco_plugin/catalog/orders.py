"""How the shop writes an order: a declarative mapping the order sync reads by."""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django.apps import apps
from django.core.exceptions import FieldError
from django.db import models

from reco_plugin import clock, conf
from reco_plugin.exceptions import MappingError
from reco_plugin.types import Key

PAGE = 2_000
"""Lines read at once."""
MOST_QUANTITY = 1_000_000
MOST_PRICE = Decimal(10) ** 10


class OrderState(enum.Enum):
    """What an order's status means to us."""

    PAID = "paid"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    WAITING = "waiting"
    """Neither: it may still become a purchase."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderLine:
    """One line of an order, in our words."""

    key: Key
    order: str
    product: Key | None
    quantity: int
    """Never 0; negative for a return."""
    price: Decimal | None
    currency: str
    user: Key | None
    visitor: str
    """The guest's visitor id (UUID text), where the shop kept it on the order; else ''."""
    guest: str
    """Anything stable that tells guests apart (e.g. a customer number); hashed, never stored."""
    status: str
    placed_at: dt.datetime | None
    changed_at: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderPage:
    """Some lines in reading order, what was broken among them, and where the page ended."""

    lines: tuple[OrderLine, ...]
    broken: Counter[str] = field(default_factory=Counter)
    """Lines left out, by reason: no_product, bad_quantity, zero_quantity, bad_price."""
    last: tuple[Any, Key] | None = None
    """Value of the path read by, and key, of the last line."""

    @property
    def read(self) -> int:
        return len(self.lines) + self.broken.total()


class OrderMapping:
    """Subclass it and name it in RECO_ORDERS. Paths are Django lookups from the order line.

    class ShopOrders(OrderMapping):
        model = "shop.OrderLine"
        order = "order__number"
        user = "order__user_id"
        status = "order__status"
        placed_at = "order__placed_at"
        changed_at = "order__updated_at"
        paid = {"paid", "shipped"}
    """

    model: ClassVar[str] = ""
    product: ClassVar[str] = "product_id"
    quantity: ClassVar[str] = "quantity"
    price: ClassVar[str] = ""
    currency: ClassVar[str] = ""
    order: ClassVar[str] = "order_id"
    user: ClassVar[str] = ""
    visitor: ClassVar[str] = ""
    guest: ClassVar[str] = ""
    status: ClassVar[str] = ""
    placed_at: ClassVar[str] = "order__created_at"
    changed_at: ClassVar[str] = ""
    """A timestamp that moves when the order changes; '' falls back to the key and a rescan."""
    paid: ClassVar[Iterable[str]] = ()
    """Statuses that make a purchase; empty means every order that is not cancelled or refunded."""
    cancelled: ClassVar[Iterable[str]] = ()
    refunded: ClassVar[Iterable[str]] = ()

    SUBJECTS: ClassVar[tuple[str, ...]] = (
        "product", "quantity", "price", "currency", "order", "user", "visitor", "guest", "status",
        "placed_at", "changed_at",
    )  # fmt: skip

    def order_reference(self, order: Any) -> Any:
        """The value of the `order` path for an order instance handed to `order_completed`.

        'order__number' → `order.number`; 'order_id' → `order.pk`. Override it where the path does not
        begin with the line's order.
        """
        value = order
        for name in self.order.split("__")[1:]:
            value = getattr(value, name)
        return value.pk if isinstance(value, models.Model) else value

    def queryset(self) -> models.QuerySet[Any]:
        """The lines to learn from; narrow it to leave some out (test orders, people who objected)."""
        return self.line_model._default_manager.using(conf.settings.DATABASE).all()

    def queryset_of(self, site: int) -> models.QuerySet[Any]:
        """Those of `queryset()` that were bought on `site`, where one project serves several; all by
        default."""
        return self.queryset()

    # --- checked once ---------------------------------------------------------------------------

    @property
    def line_model(self) -> type[models.Model]:
        """The shop's order line model. Raises MappingError when there is none of that name."""
        try:
            return apps.get_model(self.model)
        except (LookupError, ValueError) as error:
            raise MappingError(
                f"{type(self).__name__}.model = {self.model!r} is no model ({error}); "
                "name your order line model, e.g. 'shop.OrderLine'."
            ) from None

    def problems(self) -> list[str]:
        """What is wrong with the mapping, in words; empty when all is well. Runs no SQL."""
        try:
            self.line_model  # noqa: B018
        except MappingError as error:
            return [str(error)]
        return [problem for subject in self.SUBJECTS if (problem := self._problem(subject))]

    def validate(self) -> None:
        """Raise MappingError naming each path that leads nowhere, and what exists there."""
        if problems := self.problems():
            raise MappingError(" ".join(problems))

    def _problem(self, subject: str) -> str:
        path = getattr(self, subject)
        if not path:
            needed = subject in ("product", "quantity", "order")
            return f"{type(self).__name__}.{subject} is needed." if needed else ""
        try:
            self.queryset().values_list(path)
        except FieldError as error:
            return f"{type(self).__name__}.{subject} = {path!r} leads nowhere: {error}"
        return ""

    # --- reading --------------------------------------------------------------------------------

    @property
    def mark_path(self) -> str:
        """What the sync reads on by: `changed_at`, an ever-growing integer key, else `placed_at`."""
        if self.changed_at:
            return self.changed_at
        is_number = isinstance(self.line_model._meta.pk, models.IntegerField | models.AutoField)
        return "pk" if is_number or not self.placed_at else self.placed_at

    def pages(
        self,
        by: str = "pk",
        where: models.Q | None = None,
        after: Any = None,
        size: int = PAGE,
        *,
        site: int | None = None,
    ) -> Iterator[OrderPage]:
        """Lines ordered by (`by`, key), from `after` on (inclusive), `size` at a time; of `site` only,
        where given.

        Each page is a statement of its own that begins where the last one ended, so that nothing is
        held open while pages are written away, behind a transaction pooler too.
        """
        lines = self.queryset() if site is None else self.queryset_of(site)
        queryset = lines.filter(where or models.Q())
        if after is not None:
            queryset = queryset.filter(**{f"{by}__gte": after})
        last: tuple[Any, Key] | None = None
        while page := self._page(queryset, by, last, size):
            yield page
            if page.read < size:
                return
            last = page.last

    def lines_of(
        self, order: Any, keys: Sequence[Key] | None = None, where: models.Q | None = None
    ) -> OrderPage:
        """The lines of one order instance; only those with `keys`, where given."""
        mine = models.Q(**{self.order: self.order_reference(order)})
        queryset = self.queryset().filter(mine & (where or models.Q()))
        if keys is not None:
            queryset = queryset.filter(pk__in=keys)
        return self._read(queryset.order_by("pk"), "pk") or OrderPage(lines=())

    def _page(
        self, queryset: models.QuerySet[Any], by: str, last: tuple[Any, Key] | None, size: int
    ) -> OrderPage | None:
        if last is not None:
            value, key = last
            beyond = models.Q(**{f"{by}__gt": value})
            queryset = queryset.filter(beyond | models.Q(**{by: value, "pk__gt": key}))
        return self._read(queryset.order_by(by, "pk")[:size], by)

    def _read(self, queryset: models.QuerySet[Any], by: str) -> OrderPage | None:
        """One statement → one page; None when there is no row."""
        subjects = [subject for subject in self.SUBJECTS if getattr(self, subject)]
        rows = queryset.values_list("pk", by, *(getattr(self, subject) for subject in subjects))
        lines: list[OrderLine] = []
        broken: Counter[str] = Counter()
        last = None
        for (
            key,
            value,
            *values,
        ) in rows:  # no server-side cursor: a pooler would lose it, and our time limits
            last = (value, key)
            try:
                lines.append(_line(key, dict(zip(subjects, values, strict=True))))
            except BrokenLine as error:
                broken[str(error)] += 1
        return last and OrderPage(lines=tuple(lines), broken=broken, last=last)

    def classify(self, status: str) -> OrderState:
        """What an order's status means; without a `status` path, every order is paid."""
        if not self.status:
            return OrderState.PAID
        if status in _texts(self.refunded):
            return OrderState.REFUNDED
        if status in _texts(self.cancelled):
            return OrderState.CANCELLED
        paid = _texts(self.paid)
        return OrderState.PAID if not paid or status in paid else OrderState.WAITING


class BrokenLine(ValueError):
    """A line that cannot be learnt from; its message is the reason, one word."""


def _line(key: Key, values: dict[str, Any]) -> OrderLine:
    if values["product"] in (None, ""):
        raise BrokenLine("no_product")
    return OrderLine(
        key=key,
        order=_text(values["order"]),
        product=values["product"],
        quantity=_quantity(values["quantity"]),
        price=_price(values.get("price")),
        currency=_text(values.get("currency")),
        user=values.get("user"),
        visitor=_text(values.get("visitor")),
        guest=_text(values.get("guest")),
        status=_text(values.get("status")),
        placed_at=clock.aware(values.get("placed_at")),
        changed_at=clock.aware(values.get("changed_at")),
    )


def _quantity(value: Any) -> int:
    """Whole units, rounded away from zero: 0.35 kg of cheese is one purchase."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise BrokenLine("bad_quantity") from None
    if not math.isfinite(number) or abs(number) > MOST_QUANTITY:
        raise BrokenLine("bad_quantity")
    if number == 0:
        raise BrokenLine("zero_quantity")
    return math.ceil(number) if number > 0 else math.floor(number)


def _price(value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        raise BrokenLine("bad_price") from None
    if not price.is_finite() or not 0 <= price < MOST_PRICE:
        raise BrokenLine("bad_price")
    return price


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _texts(values: Iterable[Any]) -> frozenset[str]:
    return frozenset((values,) if isinstance(values, str) else map(str, values))
