"""What a shop's usual shares are worth beside one shopper's own counts: a Dirichlet prior the shop's shoppers tell.

How a shopper's n products fall on categories is drawn from shares of their own, and those from the shop's: a
Dirichlet-multinomial. Where shoppers hardly differ (a wholesaler's, who buy of everything) the prior is strong and
few events move it little; where each keeps to their own it is weak. Fitted by moments as the Beta prior of
`trainers.rates` is, summed over the categories (Mosimann 1962, Biometrika 49:65-82; Kleinman 1973).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.trainers.rates import WORTH

Numbers = npt.NDArray[np.float64]


def usual(
    shoppers: npt.NDArray[np.integer[Any]],
    names: npt.NDArray[np.integer[Any]],
    *,
    n_names: int,
    worth: tuple[float, float] = WORTH,
) -> Numbers:
    """(n_names,) imagined products of each name: add a shopper's own counts and rank by the sum.

    One entry per product that a shopper (row) wanted of a name (row). They add up to the strength of the
    prior, within `worth`. Each shopper has one vote in the shares, so that no one alone is the shop.
    """
    counts = _counts(shoppers, names, n_names)
    whole = np.asarray(counts.sum(axis=1)).ravel()
    if not len(whole):
        return np.zeros(n_names)
    votes = counts.T @ (1 / whole)
    return np.asarray(votes / votes.sum() * np.clip(_strength(counts, whole), *worth))


def _counts(shoppers: Any, names: Any, n_names: int) -> sparse.csr_matrix:
    """(shoppers who wanted anything, n_names)"""
    who = np.unique(shoppers, return_inverse=True)[1]
    shape = (int(who.max(initial=-1)) + 1, n_names)
    return sparse.csr_matrix((np.ones(len(names)), (who, names)), shape=shape)


def _strength(counts: sparse.csr_matrix, whole: Numbers) -> float:
    """The sum of the Dirichlet's parameters: 1 / r - 1, r being the correlation of one shopper's products."""
    total = float(whole.sum())
    share = np.asarray(counts.sum(axis=0)).ravel() / total
    even = float((share**2).sum())
    own = np.asarray(counts.multiply(counts).sum(axis=1)).ravel() / whole
    spread = float((own - 2 * (counts @ share) + whole * even).sum())
    chance, freedom = 1 - even, len(whole) - 1
    room = chance * (total - float((whole**2).sum()) / total - freedom)
    if room <= 0:  # one product each, or one name: nothing can be told of how shoppers differ
        return 0.0
    correlation = (spread - chance * freedom) / room
    return np.inf if correlation <= 0 else 1 / min(correlation, 1.0) - 1
