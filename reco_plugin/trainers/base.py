"""The contract of a trainer: a dataset in, arrays out. Plain Python, no settings, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from reco_plugin.types import Dataset, Floats


class Progress(Protocol):
    """Told how far a stage is; may be called often."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Learnt:
    """What a trainer hands back. All arrays are finite float32.

    Scores are `shopper_vectors @ item_vectors.T + item_biases` (a shopper's own bias moves no rank).
    """

    item_vectors: Floats
    """(n_items, d)"""
    item_biases: Floats
    """(n_items,)"""
    shopper_vectors: Floats
    """(n_shoppers, d)"""
    feature_vectors: Floats
    """(n_item_features, d): embeddings of the named side features, for products born later."""
    feature_biases: Floats
    """(n_item_features,)"""
    epochs: int
    """Epochs of the best validation score, or those asked for when there is no hold-out."""
    history: tuple[Mapping[str, float], ...] = field(default=())
    """One entry per epoch that was validated: {'epoch': 3, 'ndcg@10': 0.02}."""
    notes: tuple[str, ...] = ()
    """What a reader of the run should know, in plain words, e.g. that a learning rate was halved."""


class Trainer(Protocol):
    """`config` is JSON-able hyper-parameters; unknown keys are refused with a ValueError."""

    name: ClassVar[str]

    def __init__(self, config: Mapping[str, Any] | None = None) -> None: ...

    def fit(
        self, dataset: Dataset, *, seed: int, threads: int, progress: Progress | None = None
    ) -> Learnt:
        """Learn. Raises NotEnoughData for an empty matrix, TrainingFailed for non-finite numbers."""
        ...


@runtime_checkable
class Estimating(Protocol):
    """What a trainer may have besides: it knows what it needs before it begins."""

    def memory_mb(self, dataset: Dataset) -> float:
        """MiB that `fit` takes at its height, about, beside the dataset and the libraries."""
        ...
