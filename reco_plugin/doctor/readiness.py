"""Is there enough to recommend from, kind by kind; and if not, what is next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, QuerySet

from reco_plugin import backends, conf
from reco_plugin.models import ActiveRun, Interaction, Item, Job, Run, RunStatus

MOST_COUNTED = 100_000
"""Interactions are counted up to here: enough to decide, whatever the size of the log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """How far one kind of recommendation is."""

    kind: str
    have: int
    """Interactions (of 'popular': products) there are, counted up to MOST_COUNTED."""
    need: int
    ready: bool
    """A run of it is live."""
    words: str
    next_step: str = ""
    """What brings it on; '' when it is ready."""

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stock:
    """What there is to learn from."""

    items: int
    interactions: int
    shoppers: int
    """With two or more products, counted up to RECO_MIN_SHOPPERS."""
    live: frozenset[str]
    """Kinds of which a run is live."""
    was_read: bool
    """The catalogue was, whatever it held."""
    refused: str
    """Why the newest personal run is not live, or ''."""


def readiness(site: int | None = None) -> list[Readiness]:
    """Of 'popular', 'similar' and 'personal', the easiest first. Six short statements."""
    site = backends.site() if site is None else site
    stock = _take_stock(site)
    return [_popular(stock), _similar(stock), _personal(stock)]


def _take_stock(site: int) -> _Stock:
    items = _rows(Item).filter(site=site)
    events = _rows(Interaction).filter(site=site, product__isnull=False)
    several = (
        events.values("shopper")
        .annotate(products=Count("product", distinct=True))
        .filter(products__gte=2)
    )
    live = _rows(ActiveRun).filter(site=site).values_list("kind", flat=True)
    return _Stock(
        items=items.order_by()[:MOST_COUNTED].count(),
        interactions=events.order_by()[:MOST_COUNTED].count(),
        shoppers=several.order_by()[: conf.settings.MIN_SHOPPERS].count(),
        live=frozenset(live),
        was_read=_rows(Job)
        .filter(site=site, name="sync_items", succeeded_at__isnull=False)
        .exists(),
        refused=_refusal(site),
    )


def _refusal(site: int) -> str:
    runs = _rows(Run).filter(site=site, kind="personal").order_by("-created_at")
    newest = runs.first()
    if newest is None or newest.status not in (RunStatus.REJECTED, RunStatus.FAILED):
        return ""
    failed = [gate["words"] for gate in newest.gates if gate.get("passed") is False]
    return "; ".join(failed) or newest.error.partition("\n")[0]


def _rows(model: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = model.objects.using(conf.settings.DATABASE)
    return rows


def _popular(stock: _Stock) -> Readiness:
    ready = "popular" in stock.live and stock.items > 0
    is_live = "popular" in stock.live
    words = f"{_counted(stock.items)} products known, {_counted(stock.interactions)} interactions"
    if not stock.items:
        step = _to_know(stock)
    elif not stock.interactions and conf.settings.ORDERS:
        step = "Bring your past orders in: python manage.py reco_backfill"
    else:
        step = "Count what is popular: python manage.py reco_train --kind popular"
    return Readiness(
        kind="popular",
        have=stock.items,
        need=1,
        ready=ready,
        words=f"{words}; {'a run is live' if is_live else 'no run is live'}",
        next_step="" if ready else step,
    )


def _similar(stock: _Stock) -> Readiness:
    """Similar products come from the personal run's vectors."""
    return _learnt(stock, "similar", "products that go together")


def _personal(stock: _Stock) -> Readiness:
    return _learnt(stock, "personal", "each shopper's own")


def _learnt(stock: _Stock, kind: str, what: str) -> Readiness:
    need, people = conf.settings.MIN_INTERACTIONS, conf.settings.MIN_SHOPPERS
    ready = "personal" in stock.live
    words = (
        f"{what}: {_counted(stock.interactions)} of {need:,} interactions, "
        f"{_enough(stock.shoppers, people)} with two or more products; "
        + ("a run is live" if ready else "no run is live")
    )
    return Readiness(
        kind=kind,
        have=stock.interactions,
        need=need,
        ready=ready,
        words=words,
        next_step="" if ready else _to_learn(stock, need, people),
    )


def _enough(shoppers: int, people: int) -> str:
    if shoppers >= people:  # they are not counted any further
        return f"{people:,} or more shoppers"
    return f"{shoppers:,} of {people:,} shoppers"


def _to_know(stock: _Stock) -> str:
    if stock.was_read:
        return (
            "Your catalogue was read and holds no product. Add products, or look at products() of "
            "RECO_CATALOG; then: python manage.py reco_sync_items"
        )
    return "Read your catalogue: python manage.py reco_sync_items"


def _to_learn(stock: _Stock, need: int, people: int) -> str:
    if not stock.items:
        return _to_know(stock)
    if stock.interactions >= need and stock.shoppers >= people:
        if stock.refused:
            return f"The last training was not made live: {stock.refused}. See: manage.py reco_runs"
        return "There is enough to learn from: python manage.py reco_train"
    if not stock.interactions:
        if conf.settings.ORDERS:
            return "Bring your past orders in: python manage.py reco_backfill"
        return "Name your orders in RECO_ORDERS (manage.py reco_init writes it), or send signals."
    return (
        f"Wait for more: {_counted(stock.interactions)} of {need:,} interactions and "
        f"{stock.shoppers:,} of {people:,} shoppers so far. Send product_viewed and "
        "basket_item_added from your views, and popular products are shown until then."
    )


def _counted(number: int) -> str:
    return f"{number:,}" + (" or more" if number >= MOST_COUNTED else "")
