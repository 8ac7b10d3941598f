"""The long tail: what people hardly get to see, though some of them liked it, or it is new.

The head is the least number of products that together have most of the exposure; the rest is the tail
(Park & Tuzhilin 2008, "The long tail of recommender systems and how to leverage it", RecSys). In the tail
the share of those who saw a product and then took to it, drawn to what is usual in the shop by a Beta
prior (`trainers.rates`), says which deserve more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reco_plugin.trainers import rates
from reco_plugin.types import Floats

HEAD = 0.8
"""Share of all exposure that the head has."""
USUAL = 0.5
"""The most that is thought of a product where shares tell nothing: all who saw one took to it, or nobody did, as in
a log of nothing but orders. There the number of those who did decides: at six moments of Online Retail II the first
200 so, in the order of a shopper's taste, have an NDCG@10 of .017 among what is rarely sold, any 200 of it .012,
and .006 in no order at all."""


def in_tail(seen: Floats) -> npt.NDArray[np.bool_]:
    """(n,) which items are rarely seen: all but the fewest that make up HEAD of what is `seen` (n,).

    Of items seen as often as the last of the head all are in the tail, so that chance does not decide.
    """
    total = float(seen.sum())
    if not total:
        return np.ones(len(seen), np.bool_)
    order = np.sort(seen)[::-1]
    last = order[min(int(np.searchsorted(np.cumsum(order), HEAD * total)), len(order) - 1)]
    return np.asarray(seen < last) if (seen < last).any() else np.asarray(seen <= last)


def tail(seen: Floats, liked: Floats, fresh: npt.NDArray[np.bool_]) -> Floats:
    """(n,) a score 0..1 for rarely seen items that somebody liked or that are `fresh`; 0 for all others.

    `seen` are the distinct shoppers who had an item before their eyes, `liked` those of them who put it
    into the cart, bought, wished for or praised it. What nobody saw yet is expected to be liked as usual.
    """
    liked = np.minimum(liked, seen)
    chosen = np.flatnonzero(in_tail(seen) & ((liked > 0) | fresh))
    scores = np.zeros(len(seen), np.float32)
    prior = rates.fit_prior(liked, seen)
    took = liked[chosen]
    scores[chosen] = (
        USUAL * (1 + took) / (2 + took) if prior is None else rates.mean(took, seen[chosen], prior)
    )
    return scores
