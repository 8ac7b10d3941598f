"""Early stopping: is the last epoch better than the best so far, on what happened after the split?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from scipy import sparse

from reco_plugin.metrics import ndcg_at_k
from reco_plugin.trainers.topn import top_n
from reco_plugin.types import Dataset, Floats

K = 10
METRIC = f"ndcg@{K}"

State = TypeVar("State")


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """NDCG@10 over a bounded sample of shoppers who did something new after the split."""

    shoppers: np.ndarray[tuple[int], np.dtype[np.int64]]
    seen: sparse.csr_matrix
    wanted: sparse.csr_matrix

    def score(self, shopper_vectors: Floats, item_vectors: Floats, item_biases: Floats) -> float:
        """What was seen in training is left out of the lists and of what is wanted."""
        ranked, _ = top_n(
            shopper_vectors[self.shoppers], item_vectors, item_biases, K, exclude=self.seen
        )
        return float(ndcg_at_k(ranked, self.wanted).mean())


def judge(dataset: Dataset, *, most: int, seed: int) -> Judge | None:
    """A judge over at most `most` shoppers, or None without a hold-out that can tell anything."""
    if dataset.holdout is None or most < 1:
        return None
    if dataset.holdout.shape != dataset.interactions.shape:
        raise ValueError(
            f"The hold-out is {dataset.holdout.shape}, the interactions are "
            f"{dataset.interactions.shape}; they must have the same shoppers and items."
        )
    trained = np.diff(dataset.interactions.indptr) > 0
    able = np.flatnonzero(trained & (np.diff(dataset.holdout.indptr) > 0))
    seen = (dataset.interactions[able] > 0).astype(np.float32)
    wanted = (dataset.holdout[able] > 0).astype(np.float32)
    wanted = (wanted - wanted.multiply(seen)).tocsr()
    wanted.eliminate_zeros()
    rows = np.flatnonzero(np.diff(wanted.indptr) > 0)
    if not len(rows):
        return None
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return Judge(shoppers=able[rows], seen=seen[rows], wanted=wanted[rows])


class Best(Generic[State]):
    """Remembers the state of the best score, and how many looks ago that was."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.score = -np.inf
        self.epoch = 0
        self.state: State | None = None
        self._looks = 0

    def better(self, score: float) -> bool:
        """Is this the best so far? Counts the look."""
        self._looks = 0 if score > self.score else self._looks + 1
        return score > self.score

    def keep(self, epoch: int, score: float, state: State) -> None:
        self.epoch, self.score, self.state = epoch, score, state

    @property
    def exhausted(self) -> bool:
        """No better for `patience` looks."""
        return self._looks >= self.patience
