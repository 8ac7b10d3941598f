"""The shop's own log as a comparison wants it: cut by a protocol, under the exclusions of serving."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import backends, clock, conf
from reco_plugin.datasets import EventLog
from reco_plugin.datasets.interest import wanted
from reco_plugin.datasets.refunds import stood
from reco_plugin.evaluation.log import Log, ties
from reco_plugin.evaluation.protocols import Protocol
from reco_plugin.jobs.material import Material, gather
from reco_plugin.models import Item
from reco_plugin.ranking.folds import Fold
from reco_plugin.stores.base import Progress
from reco_plugin.trainers.histories import histories
from reco_plugin.trainers.occasions import visit_numbers
from reco_plugin.types import EventKind

DAY = 86_400_000_000
"""Microseconds."""

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shop:
    """What a comparison reads of the shop, once."""

    site: int
    material: Material
    eligible: Mask
    """(n_items,) what can be bought today."""
    since: npt.NDArray[np.int64]
    """(n_items,) µs since 1970 UTC from which an item is there; 0 where nobody says."""

    @property
    def log(self) -> EventLog:
        return self.material.log


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """The part of the log a protocol looks at."""

    log: Log
    events: EventLog
    """Those of `log.past`, in another order."""
    row: Rows
    """(n,) the row of `log.past` each event is in: its shopper, or its visit."""
    owner: Rows
    """(rows of `log.past`,) the shopper of each row."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A cut of the shop's log, under the rules of serving."""

    fold: Fold
    owner: Rows
    """(len(fold.requests),) shopper rows."""
    known: EventLog
    """The events that may be learnt from."""
    lost: dict[str, int]
    """What was wanted and is not looked for, by reason."""


def read(site: int, progress: Progress | None = None) -> Shop:
    """The last RECO_WINDOW_DAYS, the catalogue, and what can be bought today."""
    material = gather(site, conf.settings.TRAINER_CONFIG, progress)
    keys = material.log.items.to_python()
    catalog = backends.catalog()
    products = catalog.model._default_manager.using(conf.settings.DATABASE).all()
    today = set(catalog.eligible(products, None).values_list("pk", flat=True))
    return Shop(
        site=site,
        material=material,
        eligible=np.array([key in today for key in keys], dtype=np.bool_),
        since=_since(site, keys),
    )


def _since(site: int, keys: list[Any]) -> npt.NDArray[np.int64]:
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site)
    known = {
        key: int(at.timestamp() * 1_000_000)
        for key, moment in rows.values_list("pk", "available_since")
        if (at := clock.aware(moment)) is not None
    }
    return np.array([known.get(key, 0) for key in keys], dtype=np.int64)


# --- what a protocol looks at --------------------------------------------------------------------


def told(shop: Shop, protocol: Protocol) -> Told:
    """Purchases where it asks about these, else all that showed interest which lasted."""
    whole = shop.log
    bought = stood(whole)
    chosen = bought if protocol.bought else wanted(whole)
    events, bought = whole.select(chosen), bought[chosen]
    visit = visit_numbers(events.shopper, events.at)
    if protocol.sessions:
        row, n_rows = visit, int(visit.max(initial=-1)) + 1
        owner = np.zeros(n_rows, np.int64)
        owner[visit] = events.shopper
    else:
        row, n_rows = events.shopper.astype(np.int64), len(events.shoppers)
        owner = np.arange(n_rows)
    past = histories(
        row,
        events.item,
        n_rows=n_rows,
        n_items=len(events.items),
        at=events.at,
        basket=None if protocol.sessions else _baskets(visit, bought),
    )
    log = Log(
        past=past,
        items=events.items.keys,
        read=whole.read,
        dropped=_dropped(whole, len(whole) - len(events), protocol),
        ties=ties(past),
        gone=int((~shop.eligible & (past.counts() > 0)).sum()),
    )
    return Told(log=log, events=events, row=row, owner=owner)


def _baskets(visit: Rows, bought: Mask) -> Rows:
    """What was bought on one visit is a basket; all else stands alone."""
    single = int(visit.max(initial=-1)) + 1 + np.arange(len(visit))
    return np.where(bought, visit, single)


def _dropped(log: EventLog, other: int, protocol: Protocol) -> dict[str, int]:
    why = "no purchases that stood" if protocol.bought else "taken back, or no interest"
    found = {_WORDS.get(name, name): count for name, count in log.dropped.items()} | {why: other}
    return {name: count for name, count in found.items() if count}


_WORDS = {
    "orphan": "of products that are gone",
    "sensitive": "of sensitive products",
    "future": "in the future",
    "ancient": "before there were web shops",
    "duplicate": "there twice",
}


# --- the cut -------------------------------------------------------------------------------------


def cut(shop: Shop, told: Told, protocol: Protocol, *, most: int = 0, seed: int = 0) -> Asked:
    """The protocol's cut; candidates, and what is left out, as serving has them."""
    fold = protocol.cut(told.log.past)
    owner = told.owner[_rows(fold, told)]
    fold, lost = _restricted(fold, owner, shop, protocol)
    rows = np.flatnonzero(np.diff(fold.wanted.indptr))
    if most and len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return Asked(fold=fold.select(rows), owner=owner[rows], known=_known(told, fold), lost=lost)


def _rows(fold: Fold, told: Told) -> Rows:
    """The row of the log that each request is of."""
    if fold.shoppers is not None:
        return fold.shoppers
    past = told.log.past
    held = (past.lengths > 0) & (fold.train.lengths == 0)
    visits = past.keep(held[past.rows])
    place = np.arange(len(visits.items)) - visits.starts[visits.rows]
    return visits.rows[place > 0]


def _restricted(
    fold: Fold, owner: Rows, shop: Shop, protocol: Protocol
) -> tuple[Fold, dict[str, int]]:
    """Without what cannot be bought, was not there yet, or would be left out of this shopper's lists."""
    later = _later(fold, shop) if protocol.needs_time else np.zeros(len(shop.eligible), np.bool_)
    eligible = shop.eligible & ~later
    if fold.requests.eligible is not None:
        eligible &= fold.requests.eligible
    refused = _refused(fold, owner, shop, protocol)
    exclude = refused if fold.requests.exclude is None else fold.requests.exclude + refused
    wanted = fold.wanted.tocoo()
    reasons = {
        "cannot be bought any more": ~shop.eligible[wanted.col],
        "first sold after the cut": later[wanted.col],
        "turned down, or on a visit bought lately": _among(refused, wanted.row, wanted.col),
        "of another part of the catalogue": ~eligible[wanted.col],
    }
    kept = np.ones(len(wanted.col), dtype=np.bool_)
    lost = {}
    for name, wrong in reasons.items():
        lost[name] = int((kept & wrong).sum())
        kept &= ~wrong
    left = sparse.csr_matrix(
        (wanted.data[kept], (wanted.row[kept], wanted.col[kept])), shape=wanted.shape
    )
    exclude.data[:] = 1
    asked = replace(fold.requests, eligible=eligible, exclude=exclude.tocsr())
    if not exclude.nnz:
        asked = replace(asked, exclude=None)
    found = replace(fold, requests=asked, wanted=left)
    return found, {name: count for name, count in lost.items() if count}


def _later(fold: Fold, shop: Shop) -> Mask:
    """(n_items,) what came to the shop after the cut, as far as anybody knows."""
    now = fold.requests.now
    moment = int(now[0]) if now is not None and len(now) else 0
    unseen = fold.train.counts() == 0
    first = np.zeros(len(unseen), np.int64)
    np.maximum.at(first, shop.log.item, shop.log.at)
    unknown = (shop.since == 0) & (first >= moment)
    return np.asarray(unseen & ((shop.since > moment) | unknown))


def _refused(fold: Fold, owner: Rows, shop: Shop, protocol: Protocol) -> sparse.csr_matrix:
    """float32 (n, n_items): what a shopper had dismissed, and, on a visit, bought lately."""
    log, now = shop.log, fold.requests.now
    turned = log.kind == EventKind.DISMISS_ITEM
    bought = (log.kind == EventKind.PURCHASE) & protocol.sessions
    events = np.flatnonzero(turned | bought)
    if now is None or not len(events) or not len(owner):
        return sparse.csr_matrix(fold.wanted.shape, dtype=np.float32)
    order = events[np.argsort(log.shopper[events], kind="stable")]
    starts = np.searchsorted(log.shopper[order], np.arange(len(log.shoppers) + 1))
    counts = starts[owner + 1] - starts[owner]
    request = np.repeat(np.arange(len(owner)), counts)
    place = np.arange(len(request)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = order[np.repeat(starts[owner], counts) + place]
    age = now[request] - log.at[at]
    window = conf.settings.EXCLUDE_PURCHASED_DAYS * DAY
    kept = (age > 0) & (turned[at] | (age <= window))
    return sparse.csr_matrix(
        (np.ones(int(kept.sum()), np.float32), (request[kept], log.item[at[kept]])),
        shape=fold.wanted.shape,
    )


def _among(sets: sparse.csr_matrix, rows: npt.NDArray[Any], items: npt.NDArray[Any]) -> Mask:
    if not sets.nnz or not len(rows):
        return np.zeros(len(rows), dtype=np.bool_)
    return np.asarray(sets[rows, items]).ravel() > 0


def _known(told: Told, fold: Fold) -> EventLog:
    """The events of the log that `fold.train` holds: of like ones, as many as it has."""
    past, train = told.events, fold.train
    assert train.at is not None
    own = np.stack([told.row, past.item.astype(np.int64), past.at])
    kept = np.stack([train.rows, train.items.astype(np.int64), train.at])
    numbers = np.unique(np.concatenate([own, kept], axis=1), axis=1, return_inverse=True)[1].ravel()
    mine, theirs = numbers[: own.shape[1]], numbers[own.shape[1] :]
    allowed = np.bincount(theirs, minlength=int(numbers.max(initial=-1)) + 1)
    order = np.argsort(mine, kind="stable")
    counts = np.bincount(mine)
    place = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = np.zeros(len(mine), dtype=np.bool_)
    chosen[order] = place < allowed[mine[order]]
    return past.select(chosen)
