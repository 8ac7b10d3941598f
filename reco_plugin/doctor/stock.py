"""What there is to recommend from: counted and sampled in a dozen short statements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from django.db.models import Count, QuerySet

from reco_plugin import clock, conf
from reco_plugin.doctor.sampling import Sample, sample
from reco_plugin.models import (
    LISTED,
    ActiveRun,
    Interaction,
    Item,
    Job,
    ManualLink,
    Neighbours,
    Picture,
    RankedList,
    Related,
    Run,
    RunStatus,
)
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import EventKind, Key

MOST_COUNTED = 100_000
"""Interactions are counted up to here: enough to decide, whatever the size of the log."""
ASKED = 100
"""Of that many of the most wanted products it is looked what would stand beside them."""
LOOK_DAYS, ENOUGH_LOOKS = 7, 100
RELATIONS = ("bought_together", "viewed_viewed", "viewed_bought", "bought_bought")
ALIKE = {"personal": "similar", "visual": "visually_similar"}
"""The kind of recommendation that the vectors of a kind of run make."""
_LOOKS = (EventKind.VIEW_ITEM, EventKind.SELECT_ITEM)
_WISHES = (*_LOOKS, EventKind.ADD_TO_CART, EventKind.ADD_TO_WISHLIST)

Lists: TypeAlias = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stock:
    """What there is to learn from, and what was learnt."""

    items: int
    interactions: int
    shoppers: int
    """With two or more products, counted up to RECO_MIN_SHOPPERS."""
    live: Mapping[str, Run]
    """The live run of each kind."""
    was_read: bool
    """The catalogue was, whatever it held."""
    refused: str
    """Why the newest personal run is not live, or ''."""
    listed: Mapping[str, int] = field(default_factory=dict)
    """Entries of the whole shop's list, of each kind of run."""
    related: Mapping[str, Sample] = field(default_factory=dict)
    """Of each relation, and of what is alike, what stands beside the most wanted products."""
    looks: int = 0
    """Products looked at in the last LOOK_DAYS, counted up to ENOUGH_LOOKS."""
    wishes: int = 0
    """Those, and products put into carts and wished for."""
    new: int = 0
    """Products that became available within RECO_NEW_DAYS, counted up to RECO_LIMIT."""
    pictures: Mapping[str, int] = field(default_factory=dict)
    """Number of pictures by their state."""
    links: int = 0
    """Products a merchandiser linked, counted up to RECO_LIMIT."""

    @property
    def seen(self) -> int:
        """Products that the live visual run has a vector of."""
        told = self.live["visual"].dataset if "visual" in self.live else {}
        found = told.get("items") if isinstance(told, dict) else None
        return int(found) if isinstance(found, int | float) else 0


def take_stock(site: int) -> Stock:
    """What is learnt from: six short statements. The rest is left empty, see `look_closer`."""
    events = _events(site)
    active = _rows(ActiveRun).filter(site=site).select_related("run").defer("run__log")
    return Stock(
        items=_rows(Item).filter(site=site).order_by()[:MOST_COUNTED].count(),
        interactions=events.order_by()[:MOST_COUNTED].count(),
        shoppers=_several(events),
        live={row.kind: row.run for row in active},
        was_read=_rows(Job)
        .filter(site=site, name="sync_items", succeeded_at__isnull=False)
        .exists(),
        refused=_refusal(site),
    )


def look_closer(site: int, stock: Stock) -> Stock:
    """The rest of it too: what was made of it, kind by kind. Eight statements more."""
    listed = _listed(stock.live)
    events, links = _events(site), _rows(ManualLink).filter(site=site).order_by()
    return replace(
        stock,
        listed={kind: len(keys) for kind, keys in listed.items()},
        related=_beside(stock.live, _known(listed.get("popular", ())), stock.items),
        pictures=_pictures(site),
        looks=_recent(events, _LOOKS),
        wishes=_recent(events, _WISHES),
        new=_new(_rows(Item).filter(site=site)),
        links=links.values("product").distinct()[: conf.settings.LIMIT].count(),
    )


def _events(site: int) -> QuerySet[Any]:
    return _rows(Interaction).filter(site=site, product__isnull=False)


def _rows(model: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = model.objects.using(conf.settings.DATABASE)
    return rows


def _several(events: QuerySet[Any]) -> int:
    people = events.values("shopper").annotate(products=Count("product", distinct=True))
    several = people.filter(products__gte=2).order_by()
    return int(several[: conf.settings.MIN_SHOPPERS].count())


def _refusal(site: int) -> str:
    runs = _rows(Run).filter(site=site, kind="personal").order_by("-created_at")
    newest = runs.first()
    if newest is None or newest.status not in (RunStatus.REJECTED, RunStatus.FAILED):
        return ""
    failed = [gate["words"] for gate in newest.gates if gate.get("passed") is False]
    return "; ".join(failed) or newest.error.partition("\n")[0]


def _listed(live: Mapping[str, Run]) -> Lists:
    kinds = {run.pk: kind for kind, run in live.items() if kind in LISTED}
    rows = _rows(RankedList).filter(run_id__in=kinds, segment="")
    return {kinds[run]: keys for run, keys in rows.values_list("run_id", "keys")}


def _known(keys: Sequence[Any]) -> list[Key]:
    try:
        return shop_keys.from_json(keys[:ASKED])
    except (TypeError, ValueError):  # the shop's keys are of another type by now
        return []


def _beside(live: Mapping[str, Run], asked: list[Any], items: int) -> dict[str, Sample]:
    """What stands beside the products asked about."""
    found: dict[str, list[Sequence[Any]]] = {name: [] for name in (*RELATIONS, *ALIKE.values())}
    if asked and (behaviour := live.get("behaviour")):
        rows = _rows(Related).filter(run=behaviour, product__in=asked, relation__in=RELATIONS)
        for relation, keys in rows.values_list("relation", "keys"):
            found[relation].append(keys)
    runs = {live[kind].pk: name for kind, name in ALIKE.items() if kind in live}
    if asked and runs:
        near = _rows(Neighbours).filter(run__in=runs, product__in=asked)
        for run, keys in near.values_list("run_id", "keys"):
            found[runs[run]].append(keys)
    wanted = conf.settings.LIMIT
    return {
        name: sample(lists, asked=len(asked), wanted=wanted, items=items)
        for name, lists in found.items()
    }


def _pictures(site: int) -> dict[str, int]:
    states = _rows(Picture).filter(site=site).order_by().values_list("state")
    return dict(states.annotate(times=Count("pk")))


def _recent(events: QuerySet[Any], kinds: Sequence[EventKind]) -> int:
    since = clock.now() - dt.timedelta(days=LOOK_DAYS)
    recent = events.filter(occurred_at__gte=since, kind__in=kinds)
    return recent.order_by()[:ENOUGH_LOOKS].count()


def _new(items: QuerySet[Any]) -> int:
    now = clock.now()
    since = now - dt.timedelta(days=conf.settings.NEW_DAYS)
    new = items.filter(available_since__gt=since, available_since__lte=now)
    return new.order_by()[: conf.settings.LIMIT].count()
