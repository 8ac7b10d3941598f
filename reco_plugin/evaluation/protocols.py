"""The protocols by name: how a log is cut, what counts, and what a reader should know of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from reco_plugin.evaluation.log import Log
from reco_plugin.ranking import folds
from reco_plugin.ranking.folds import Cut, Fold
from reco_plugin.ranking.requests import Requests
from reco_plugin.trainers.histories import Histories

TEST = 0.2
VALIDATION = 0.125
"""Of what the test leaves: a tenth of the whole, so that the parts are 7 : 1 : 2."""
VISITS = 0.1


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way to ask."""

    name: str
    question: str
    cut: Cut
    tune: Cut | None = None
    """The cut of the part to learn from on which settings are chosen; `cut` itself, by default."""
    metric: str = "ndcg"
    """What the ratio is of."""
    k: int = 10
    needs_time: bool = False
    needs_baskets: bool = False
    needs_features: bool = False
    repeats: bool = False
    bought: bool = False
    """Asks about purchases only, where the log tells kinds."""
    sessions: bool = False

    @property
    def inner(self) -> Cut:
        """Where settings are chosen: never a day of the test."""
        return self.tune or self.cut

    @property
    def words(self) -> str:
        """The protocol in words."""
        told = (
            "Met before is answered again." if self.repeats else "What was met before is left out."
        )
        return f"{self.question[0].upper()}{self.question[1:]}. {told}"


def protocols(seed: int = 0) -> dict[str, Protocol]:
    """All of them."""
    found = (
        Protocol(
            name="leave-last-out",
            question="each shopper's last event, of all before it; what was seen is left out",
            cut=folds.last_event,
        ),
        Protocol(
            name="last-basket",
            question="what is new in each shopper's last basket",
            cut=partial(folds.last_basket, new=True),
            needs_baskets=True,
            bought=True,
        ),
        Protocol(
            name="next-basket",
            question="each shopper's last basket, repeats and all",
            cut=partial(folds.last_basket, new=False),
            needs_baskets=True,
            repeats=True,
            bought=True,
        ),
        Protocol(
            name="cart",
            question="one hidden item of each shopper's last basket, from the others in it",
            cut=partial(folds.cart, seed=seed),
            metric="recall",
            needs_baskets=True,
            bought=True,
        ),
        Protocol(
            name="time",
            question="what each shopper turns to after one moment for all, of what came before it",
            cut=partial(folds.after_moment, share=TEST),
            tune=partial(folds.after_moment, share=VALIDATION),
            needs_time=True,
        ),
        Protocol(
            name="next-in-visit",
            question="the next item of a visit, of those before it",
            cut=partial(folds.next_in_visit, share=VISITS),
            metric="mrr",
            k=20,
            repeats=True,
            sessions=True,
        ),
        Protocol(
            name="new-items",
            question="the items of a fifth that nobody is known to have taken, by their features alone",
            cut=partial(folds.new_items, seed=seed),
            metric="recall",
            repeats=True,
            needs_features=True,
        ),
    )
    return {one.name: one for one in found}


def split(log: Log, protocol: Protocol) -> Fold:
    """The log's own test where it has one, else the protocol's cut."""
    if log.asked is None:
        return protocol.cut(visits(log.past) if protocol.sessions else log.past)
    here, following = log.asked
    nothing = Histories(
        starts=np.zeros(len(here) + 1, np.int64),
        items=np.zeros(0, np.int32),
        n_items=here.n_items,
    )
    starts = np.arange(len(following) + 1)
    wanted = sparse.csr_matrix(
        (np.ones(len(following), np.float32), following, starts),
        shape=(len(here), here.n_items),
    )
    return Fold(train=log.past, requests=Requests(past=nothing, here=here), wanted=wanted)


def visits(past: Histories) -> Histories:
    """Rows that are visits: the baskets of a log that has them."""
    return past.by_basket() if past.basket is not None else past


def drawn(fold: Fold, most: int, seed: int) -> Fold:
    """At most `most` requests (0: all), drawn by seed, in order."""
    if not most or len(fold.requests) <= most:
        return fold
    rows = np.random.default_rng(seed).choice(len(fold.requests), most, replace=False)
    return fold.select(np.sort(rows))
