"""Is a figure to be believed? What a broken trainer gives away, in words."""

from __future__ import annotations

import numpy as np

from reco_plugin.evaluation.contract import Lists, Sort
from reco_plugin.evaluation.judging import Measured
from reco_plugin.metrics import difference_interval
from reco_plugin.ranking.folds import Fold

FEWEST = 25
"""Lists below which that all are the same says nothing."""
TOO_GOOD = 0.99
EASY = 0.5
"""Hit rate of chance above which being right nearly every time is no wonder."""


def demand_allowed(lists: Lists, fold: Fold) -> None:
    """Raises ValueError when a list holds what may not be answered, or the same item twice."""
    rows, places = np.nonzero(lists >= 0)
    items = lists[rows, places]
    barred = fold.requests.barred()[rows, items]
    if barred.any():
        raise ValueError(
            f"It answered {int(barred.sum()):,} times what may not be answered: met before, not on sale, or "
            "turned down. Its figures are not comparable."
        )
    cells = rows * np.int64(fold.train.n_items) + items
    if len(np.unique(cells)) < len(cells):
        raise ValueError("It answered an item twice in one list. Its figures are not comparable.")


def doubts(measured: Measured, lists: Lists, chance: Measured | None) -> list[str]:
    """What speaks against a model's figures: the same list for all, worse than chance, too good to be true."""
    found = []
    if measured.sort is not Sort.FLOOR and len(lists) >= FEWEST and _all_alike(lists):
        found.append("It says the same to everybody: its scores do not depend on the shopper.")
    if chance is not None and chance.name != measured.name:
        gap = difference_interval(measured.figures["recall"], chance.figures["recall"])
        if gap.n >= FEWEST and gap.high < 0:
            found.append("It does worse than chance: are its scores the wrong way round?")
    hit = measured.mean("hit") or 0.0
    wide = chance is not None and (chance.mean("hit") or 0.0) < EASY
    if len(lists) >= FEWEST and hit >= TOO_GOOD and wide:
        found.append("It is right nearly every time: does it know what it is asked?")
    return found


def _all_alike(lists: Lists) -> bool:
    """Is each list a part of one order, no two items the other way round in any two lists?

    (What a shopper may not be shown is missing from theirs, so the lists themselves may differ.)
    """
    width = np.int64(lists.max(initial=0)) + 1
    first, second = np.triu_indices(lists.shape[1], 1)
    before, after = lists[:, first].astype(np.int64), lists[:, second].astype(np.int64)
    known = (before >= 0) & (after >= 0)
    there = np.unique(before[known] * width + after[known])
    back = np.unique(after[known] * width + before[known])
    return bool(len(there)) and not np.isin(there, back).any()
