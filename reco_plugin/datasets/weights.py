"""What an event is worth: events → one positive number per shopper and item.

1. Every event weighs what its kind weighs: a view 1, a purchase 5. Removing from the cart takes back
   part of adding to it, a dismissal counts against, a rating runs from -w for the worst to +w for
   the best. How many units were bought makes no difference: a wholesale order is one purchase.
2. A refund cancels the purchase rather than counting against it: of a shopper's purchases of an item
   the share that was sent back, in units, weighs nothing, at the age the purchase had.
3. The weights of one shopper, item and UTC day add up to at most the cap (and at least minus it),
   so that reloading a page, or a robot, cannot dominate.
4. A day counts half as much per half-life of its age.
5. Days add up; what is not positive then is no interaction.

The result depends on neither the order of the events nor the order in which they are added up.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from django.core.exceptions import ImproperlyConfigured
from scipy import sparse

from reco_plugin import conf
from reco_plugin.datasets.grouping import Group, group
from reco_plugin.datasets.log import DAY, EventLog
from reco_plugin.types import EventKind

DEFAULTS: Mapping[EventKind, float] = MappingProxyType(
    {
        EventKind.VIEW_ITEM: 1.0,
        EventKind.SELECT_ITEM: 1.0,
        EventKind.ADD_TO_WISHLIST: 2.0,
        EventKind.ADD_TO_CART: 3.0,
        EventKind.REMOVE_FROM_CART: -2.0,
        EventKind.PURCHASE: 5.0,
        EventKind.REFUND: 0.0,
        EventKind.RATE_ITEM: 4.0,
        EventKind.DISMISS_ITEM: -5.0,
        EventKind.SEARCH: 0.0,
    }
)
"""By kind. RATE_ITEM is the weight of the best rating. REFUND is on top of cancelling."""
KINDS = max(EventKind) + 1
STEPS = 1_000
"""Weights of single events are rounded to a thousandth."""


@dataclass(frozen=True, kw_only=True)
class EventWeights:
    """How events are weighed."""

    weights: Mapping[EventKind, float] = field(default_factory=lambda: DEFAULTS)
    half_life_days: float = 90.0
    """0 for no decay."""
    daily_cap: float = 5.0
    """Most weight of one shopper, item and UTC day."""

    @classmethod
    def from_settings(cls) -> EventWeights:
        """The settings in force. Raises ImproperlyConfigured for an unknown kind or a bad number."""
        return cls(
            weights={**DEFAULTS, **_overlay(conf.settings.EVENT_WEIGHTS)},
            half_life_days=_finite("RECO_HALF_LIFE_DAYS", conf.settings.HALF_LIFE_DAYS, least=0.0),
            daily_cap=_finite("RECO_DAILY_CAP", conf.settings.DAILY_CAP, least=1e-3),
        )

    def by_kind(self) -> npt.NDArray[np.float64]:
        """(KINDS,) weights, indexed by the kind's number."""
        found = np.zeros(KINDS)
        for kind, weight in self.weights.items():
            found[kind] = weight
        return found

    def above_cap(self) -> tuple[str, ...]:
        """Kinds of which a single event weighs more than a day may."""
        return tuple(kind.ga4 for kind, own in self.weights.items() if abs(own) > self.daily_cap)

    def decay(self, ages: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Factors for ages in days; the future counts as today."""
        if not self.half_life_days:
            return np.ones(len(ages))
        return np.asarray(0.5 ** (np.maximum(ages, 0) / self.half_life_days))


@dataclass(frozen=True, kw_only=True, eq=False)
class Weighed:
    """The matrix, and what the quality report says of how it came about."""

    matrix: sparse.csr_matrix
    """float32 (n_shoppers, n_items), positive, sorted indices."""
    capped_share: float
    """Share of positive weight, before decay, that the cap took away."""
    refunded: int
    """Purchases that weigh less, or nothing, for units sent back."""
    stray_refunds: int
    """Refunds of items the shopper did not buy within this history."""
    above_cap: tuple[str, ...] = ()
    """Kinds of event, by GA4 name, whose own weight the daily cap cuts."""


def weigh(
    log: EventLog, weights: EventWeights | None = None, now: dt.datetime | None = None
) -> sparse.csr_matrix:
    """float32 CSR (n_shoppers, n_items) as of `now` (by default the log's last day)."""
    return weigh_counted(log, weights, now).matrix


def weigh_counted(
    log: EventLog, weights: EventWeights | None = None, now: dt.datetime | None = None
) -> Weighed:
    """As `weigh`, with the counts for the quality report."""
    weights = weights or EventWeights.from_settings()
    shape = (len(log.shoppers), len(log.items))
    if not len(log):
        return Weighed(
            matrix=sparse.csr_matrix(shape, dtype=np.float32),
            capped_share=0.0,
            refunded=0,
            stray_refunds=0,
            above_cap=weights.above_cap(),
        )
    code, values, refunds = _coded(log, weights)
    days = group(log, code, values)
    capped = np.clip(days.sums, -weights.daily_cap, weights.daily_cap)
    cells = days.into_cells(capped * _decay(days, weights, now))
    return Weighed(
        matrix=cells.to_csr(shape),
        capped_share=_lost(days.sums, capped),
        refunded=refunds.touched,
        stray_refunds=refunds.stray,
        above_cap=weights.above_cap(),
    )


def _decay(days: Group, weights: EventWeights, now: dt.datetime | None) -> npt.NDArray[np.float64]:
    last = days.first_day + days.n_days - 1
    today = int(now.timestamp() * 1_000_000) // DAY if now else last
    factors = weights.decay(today - np.arange(days.first_day, last + 1))
    return np.asarray(factors[days.day])


def _lost(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> float:
    total = float(before[before > 0].sum())
    return (total - float(after[before > 0].sum())) / total if total else 0.0


# --- the weight of single events -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Refunds:
    touched: int
    stray: int


def _coded(
    log: EventLog, weights: EventWeights
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64], _Refunds]:
    """(n,) codes and the table of weights they point into.

    Few weights differ: by kind, and for rated and partly refunded events. A code fits beside the cell
    and the day into one number, which sorts faster than anything else groups.
    """
    base = weights.by_kind()
    at, kept, refunds = _net_purchases(log)
    rated = np.flatnonzero(log.kind == EventKind.RATE_ITEM)
    special = np.concatenate([at, rated])
    values = np.concatenate(
        [kept * base[EventKind.PURCHASE], _rating(log.rating[rated]) * base[EventKind.RATE_ITEM]]
    )
    distinct, which = np.unique(np.round(values * STEPS) / STEPS, return_inverse=True)
    code = np.where(log.kind < KINDS, log.kind, 0).astype(np.uint64)
    code[special] = KINDS + which
    table = np.concatenate([np.round(base * STEPS) / STEPS, distinct])
    return code, table, refunds


def _rating(rating: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """0..1 → -1..1; what is no number says nothing."""
    known = np.isfinite(rating)
    return np.where(known, np.clip(rating, 0, 1) * 2.0 - 1.0, 0.0)


def _net_purchases(
    log: EventLog,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], _Refunds]:
    """Purchases that were refunded (positions in the log), and the share of each that was kept."""
    refund = np.flatnonzero(log.kind == EventKind.REFUND)
    bought = np.flatnonzero(log.kind == EventKind.PURCHASE)
    cells, back = np.unique(log.select(refund).cells(), return_inverse=True)
    cell_of_bought = log.select(bought).cells()
    hit = np.isin(cell_of_bought, cells)
    bought, place = bought[hit], np.searchsorted(cells, cell_of_bought[hit])
    units_back = np.bincount(back, _units(log, refund), minlength=len(cells))
    units = np.bincount(place, _units(log, bought), minlength=len(cells))
    kept = np.maximum(0.0, 1.0 - units_back / np.maximum(units, 1.0))
    stray = int(np.count_nonzero(units[back] == 0))
    return bought, kept[place], _Refunds(touched=len(bought), stray=stray)


def _units(log: EventLog, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Some shops write refunds as negative quantities, some write none."""
    return np.maximum(np.abs(log.quantity[rows].astype(np.float64)), 1.0)


# --- settings ------------------------------------------------------------------------------------


def _overlay(given: Mapping[Any, Any]) -> dict[EventKind, float]:
    try:
        return {
            EventKind.parse(name): _finite(f"RECO_EVENT_WEIGHTS[{name!r}]", weight)
            for name, weight in given.items()
        }
    except ValueError as error:
        raise ImproperlyConfigured(f"RECO_EVENT_WEIGHTS: {error}.") from None


def _finite(name: str, value: Any, *, least: float = -math.inf) -> float:
    number = float(value) if isinstance(value, int | float) else math.nan
    if not (math.isfinite(number) and number >= least):
        bound = f" of at least {least:g}" if math.isfinite(least) else ""
        raise ImproperlyConfigured(f"{name} must be a finite number{bound}, not {value!r}.")
    return number
