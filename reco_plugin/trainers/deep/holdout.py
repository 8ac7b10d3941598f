"""What early stopping looks at: the newest basket of some shoppers, kept from learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.trainers.histories import Histories

SHARE = 0.1
MOST = 2_000
FEWEST = 10
"""Shoppers below which a look would tell of luck."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """A log without what is held out, and the question that is."""

    train: Histories
    rows: npt.NDArray[np.int64]
    """(h,) rows of `train` that are asked."""
    wanted: sparse.csr_matrix
    """float32 0/1 (h, n_items)"""
    exclude: sparse.csr_matrix | None
    """(h, n_items): what is not answered, or None for anything."""


def held_out(past: Histories, *, repeats: bool, seed: int) -> Held | None:
    """The newest basket of a tenth of the rows that can be asked of theirs; None where these are too few.

    Without `repeats`, only what a row had not held before is asked for.
    """
    newest = past.steps_back == 0
    wanted, before = past.keep(newest).sets(), past.keep(~newest).sets()
    if not repeats:
        wanted = (wanted - wanted.multiply(before)).tocsr()
        wanted.eliminate_zeros()
    able = np.flatnonzero((np.diff(wanted.indptr) > 0) & (np.diff(before.indptr) > 0))
    count = min(round(len(able) * SHARE), MOST)
    if count < FEWEST:
        return None
    rows = np.sort(np.random.default_rng(seed).choice(able, count, replace=False))
    asks = np.zeros(len(past), dtype=np.bool_)
    asks[rows] = True
    return Held(
        train=past.keep(~(newest & asks[past.rows])),
        rows=rows,
        wanted=wanted[rows],
        exclude=None if repeats else before[rows],
    )
