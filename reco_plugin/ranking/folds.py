"""Protocols: a log cut into what may be learnt from, what is asked, and what then happened.

The same cuts serve an evaluation (of the whole log) and the tuning of a ranker (of the part that may be
learnt from), so a ranker is tuned for what it will be asked and never sees a day of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.ranking.requests import Requests
from reco_plugin.trainers.histories import Histories, Times


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """One cut."""

    train: Histories
    """What may be learnt from. Not every row of it asks."""
    requests: Requests
    wanted: sparse.csr_matrix
    """float32 0/1 (len(requests), n_items): what happened; no row is empty."""
    shoppers: npt.NDArray[np.int64] | None = None
    """(len(requests),) the row of `train` each request is of; None where they are of nobody known."""

    def select(self, rows: npt.NDArray[np.integer[Any]]) -> Fold:
        """The same with only these requests."""
        known = None if self.shoppers is None else self.shoppers[rows]
        asked = self.requests.select(rows)
        return replace(self, requests=asked, wanted=self.wanted[rows], shoppers=known)


Cut = Callable[[Histories], Fold]
"""A protocol with its settings filled in: it can be applied to a log, and to the part it left to learn from."""


def last_event(past: Histories, *, fewest: int = 3, repeats: bool = False) -> Fold:
    """Leave-last-out: each row's newest event is asked of all before it; rows under `fewest` only teach."""
    asks = past.lengths >= fewest
    hidden = (past.events_back == 0) & asks[past.rows]
    return _fold(past, hidden, asks, repeats=repeats)


def last_basket(past: Histories, *, new: bool) -> Fold:
    """The newest basket is asked of those before it; with `new`, only what was never taken before counts."""
    asks = _baskets(past) >= 2
    hidden = (past.steps_back == 0) & asks[past.rows]
    return _fold(past, hidden, asks, repeats=not new)


def cart(past: Histories, *, seed: int = 0) -> Fold:
    """One item of the newest basket is asked of the others in it; nothing of that basket is learnt from."""
    asks = _baskets(past) >= 2
    newest = (past.steps_back == 0) & asks[past.rows]
    carts = past.keep(newest)
    train = past.keep(~newest)
    sets = carts.sets()
    sets.sort_indices()
    rows = np.flatnonzero(np.diff(sets.indptr) >= 2)
    random = np.random.RandomState(seed)
    sizes = np.diff(sets.indptr)[rows]
    hidden = sets.indptr[rows] + np.array([random.randint(size) for size in sizes], dtype=np.int64)
    wanted = _ones(sets.indices[hidden], np.ones(len(rows), np.int64), past.n_items)
    inside = carts.select(rows)
    target = np.repeat(sets.indices[hidden], inside.lengths)
    here = replace(inside.keep(inside.items != target), basket=None)
    requests = Requests(
        past=train.select(rows), here=here, now=_first_time(inside), exclude=here.sets()
    )
    return Fold(train=train, requests=requests, wanted=wanted, shoppers=rows)


def next_in_visit(past: Histories, *, share: float = 0.1) -> Fold:
    """Of the newest `share` of visits (rows), each event is asked of those before it in its visit."""
    visits = np.flatnonzero(past.lengths)
    if past.at is not None:
        visits = visits[np.argsort(past.at[past.starts[visits + 1] - 1], kind="stable")]
    held = np.zeros(len(past), dtype=np.bool_)
    held[visits[len(visits) - round(len(visits) * share) :]] = True
    train = past.keep(~held[past.rows])
    return replace(prefixes(past.keep(held[past.rows])), train=train)


def prefixes(visits: Histories) -> Fold:
    """Every event but the first of each visit as a request: what came before it, and it. `train` is `visits`."""
    place = np.arange(len(visits.items)) - visits.starts[visits.rows]
    asked = np.flatnonzero(place > 0)
    lengths = place[asked]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    at = np.repeat(asked - lengths - starts[:-1], lengths) + np.arange(starts[-1])
    here = Histories(starts=starts, items=visits.items[at], n_items=visits.n_items)
    wanted = _ones(visits.items[asked], np.ones(len(asked), np.int64), visits.n_items)
    now = None if visits.at is None else visits.at[asked]
    requests = Requests(past=_nothing(len(asked), visits), here=here, now=now)
    return Fold(train=visits, requests=requests, wanted=wanted)


def after_moment(
    past: Histories, *, share: float = 0.2, moment: int | None = None, repeats: bool = False
) -> Fold:
    """A global cut in time: what happened from `moment` on (µs; such that it is the newest `share` of events, by
    default) is asked of what came before. Raises ValueError without times."""
    if past.at is None:
        raise ValueError("A cut in time needs the events' times.")
    if moment is None:
        moment = _moment(past.at, share)
    later = past.at >= moment
    asks = np.bincount(past.rows[~later], minlength=len(past)) > 0
    fold = _fold(past, later, asks, repeats=repeats)
    now = np.full(len(fold.requests), moment, np.int64)
    return replace(fold, requests=replace(fold.requests, now=now))


def _moment(at: Times, share: float) -> int:
    place = round(len(at) * (1 - share))
    return int(np.partition(at, place)[place] if place < len(at) else at.max() + 1)


def new_items(past: Histories, *, share: float = 0.2, seed: int = 0) -> Fold:
    """Every event of a random `share` of the items is hidden and asked of the others, among these items alone."""
    sold = np.flatnonzero(past.counts() > 0)
    new = np.zeros(past.n_items, dtype=np.bool_)
    random = np.random.RandomState(seed)
    new[random.choice(sold, round(np.floor(len(sold) * share)), replace=False)] = True
    hidden = new[past.items]
    asks = np.bincount(past.rows[~hidden], minlength=len(past)) > 0
    fold = _fold(past, hidden, asks, repeats=True)
    requests = replace(fold.requests, now=None, eligible=new)
    return replace(fold, requests=requests)


def _fold(
    past: Histories,
    hidden: npt.NDArray[np.bool_],
    asks: npt.NDArray[np.bool_],
    *,
    repeats: bool,
) -> Fold:
    train, later = past.keep(~hidden), past.keep(hidden)
    wanted, seen = later.sets(), train.sets()
    if not repeats:
        wanted = (wanted - wanted.multiply(seen)).tocsr()
        wanted.eliminate_zeros()
    rows = np.flatnonzero(asks & (np.diff(wanted.indptr) > 0))
    requests = Requests(
        past=train.select(rows),
        now=_first_time(later.select(rows)),
        exclude=None if repeats else seen[rows],
    )
    kept = wanted[rows].astype(np.float32)
    return Fold(train=train, requests=requests, wanted=kept, shoppers=rows)


def _baskets(past: Histories) -> npt.NDArray[np.int64]:
    """(n,) baskets of each row."""
    first = np.flatnonzero(np.diff(past.step, prepend=-1))
    return np.bincount(past.rows[first], minlength=len(past))


def _first_time(found: Histories) -> npt.NDArray[np.int64] | None:
    return None if found.at is None else found.at[found.starts[:-1]]


def _nothing(rows: int, like: Histories) -> Histories:
    return Histories(
        starts=np.zeros(rows + 1, np.int64), items=np.zeros(0, np.int32), n_items=like.n_items
    )


def _ones(
    items: npt.NDArray[Any], counts: npt.NDArray[np.int64], n_items: int
) -> sparse.csr_matrix:
    starts = np.concatenate([[0], np.cumsum(counts)])
    return sparse.csr_matrix(
        (np.ones(len(items), np.float32), items, starts), shape=(len(counts), n_items)
    )
