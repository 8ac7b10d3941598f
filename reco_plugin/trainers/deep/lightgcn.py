"""LightGCN: shoppers and items as neighbours in one graph (He et al. 2020, arXiv 2002.02126).

Learnt by a softmax over the items by cosine (Wu et al. 2022, arXiv 2201.02327) instead of the paper's pairwise
loss: it needs tens of epochs where that needs hundreds. Vectors come out with length 1, so that an inner
product is the cosine and any store serves them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.exceptions import NotEnoughData, TrainingFailed
from reco_plugin.trainers import placing
from reco_plugin.trainers.base import Learnt, Progress
from reco_plugin.trainers.deep import torches
from reco_plugin.trainers.deep.holdout import held_out
from reco_plugin.trainers.features import check, normalised
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.spaces import Real, Space, Whole
from reco_plugin.trainers.validation import METRIC, Best, judge
from reco_plugin.types import Dataset, Floats, IdMap

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    dimensions: int = 64
    layers: int = 2
    """Steps along the graph: 2 reach those who took the same, and what else they took."""
    temperature: float = 0.15
    """Of the softmax over cosines: lower looks harder at the items that are nearly as good."""
    epochs: int = 60
    """Most epochs; early stopping may take fewer."""
    learning_rate: float = 0.005
    pairs: int = 8_192
    """Pairs of a shopper and an item in a step of learning."""
    exact: int = 4_096
    """Largest catalogue whose every item is in the softmax; of a larger one `negatives` are drawn."""
    negatives: int = 1_024
    patience: int = 5
    """Epochs without a better score on the hold-out before training ends; 0 trains to the end."""
    validate_shoppers: int = 2_000
    """Most shoppers a look is over."""

    def __post_init__(self) -> None:
        for name in ("dimensions", "layers", "epochs", "pairs", "negatives"):
            configs.require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        for name in ("exact", "patience", "validate_shoppers"):
            configs.require(getattr(self, name) >= 0, f"{name} must not be negative.")
        for name in ("temperature", "learning_rate"):
            configs.require(
                0 < getattr(self, name) < np.inf, f"{name} must be a positive, finite number."
            )


class LightGCN:
    """The `lightgcn` trainer."""

    name: ClassVar[str] = "lightgcn"
    space: ClassVar[Space] = {
        "dimensions": Whole(low=16, high=128, log=True),
        "layers": Whole(low=1, high=3),
        "temperature": Real(low=0.05, high=0.5, log=True),
        "learning_rate": Real(low=0.001, high=0.05, log=True),
    }

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = configs.read(Config, config)

    def fit(
        self, dataset: Dataset, *, seed: int, threads: int, progress: Progress | None = None
    ) -> Learnt:
        """Learn; the same seed and threads give the same numbers on one processor (a GPU's sums vary a little).

        Weights only say what was taken and what was not. Raises NotEnoughData for no positive interaction,
        TrainingFailed for numbers that are not finite or when torch is missing.
        """
        with torches.session(seed, threads) as device:
            return _Fit(self.config, dataset, seed=seed, device=device).run(progress)

    def learn(
        self,
        past: Histories,
        *,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Learnt:
        """The same from histories: rows are shoppers; the newest basket of some is held out to stop in time."""
        held = held_out(past, repeats=False, seed=seed) if self.config.patience else None
        holdout = None
        if held is not None:
            starts = np.zeros(len(past) + 1, np.int64)
            starts[held.rows + 1] = np.diff(held.wanted.indptr)
            parts = (held.wanted.data, held.wanted.indices, np.cumsum(starts))
            holdout = sparse.csr_matrix(parts, shape=(len(past), past.n_items))
        dataset = Dataset(
            interactions=(past if held is None else held.train).sets(),
            shoppers=IdMap(keys=np.arange(len(past))),
            items=IdMap(keys=np.arange(past.n_items)),
            holdout=holdout,
        )
        return self.fit(dataset, seed=seed, threads=threads, progress=progress)

    def memory_mb(self, dataset: Dataset) -> float:
        """See `Estimating`: vectors, their gradients' history, the layers on the way, and the edges both ways."""
        nodes = len(dataset.shoppers) + len(dataset.items)
        batch = 4 * self.config.pairs * self.config.dimensions * 6
        edges = 64 * dataset.interactions.nnz
        return float(48 * nodes * self.config.dimensions + edges + batch) / 2**20 + 32


class _Fit:
    """One training."""

    def __init__(self, config: Config, dataset: Dataset, *, seed: int, device: Any) -> None:
        from reco_plugin.trainers.deep.graph import Graph
        from reco_plugin.trainers.deep.softmax import Negatives
        from reco_plugin.trainers.deep.torches import torch

        self.config, self.dataset, self.device = config, dataset, device
        if dataset.item_features is not None:
            check(dataset.item_features, dataset.interactions.shape[1], "item")
        self.random = np.random.default_rng(seed)
        self.taken = _taken(dataset.interactions)
        self.judge = judge(dataset, most=config.validate_shoppers, seed=seed)
        self.graph = Graph(self.taken, config.layers, device)
        n_nodes = sum(self.taken.shape)
        self.nodes = (torch.randn(n_nodes, config.dimensions) * 0.1).to(device).requires_grad_()
        self.optimizer = torch.optim.Adam([self.nodes], lr=config.learning_rate)
        self.negatives = None
        if self.taken.shape[1] > config.exact:
            counts = np.bincount(self.taken.indices, minlength=self.taken.shape[1])
            self.negatives = Negatives(counts.astype(np.float32), config.negatives, device)

    def run(self, progress: Progress | None) -> Learnt:
        best: Best[Any] = Best(self.config.patience)
        history: list[dict[str, float]] = []
        for epoch in range(1, self.config.epochs + 1):
            told = {"epoch": float(epoch), "loss": self._epoch()}
            history.append(told)
            if progress:
                progress("train", epoch, self.config.epochs)
            if self.judge is None or not self.config.patience:
                continue
            shoppers, items = self._vectors()
            told[METRIC] = self.judge.score(shoppers, items, np.zeros(len(items), np.float32))
            logger.debug("lightgcn %s", told)
            if best.better(told[METRIC]):
                best.keep(epoch, told[METRIC], self.nodes.detach().clone())
            if best.exhausted:
                break
        if best.state is not None:
            epoch, self.nodes = best.epoch, best.state
        return self._learnt(epoch, history)

    def _epoch(self) -> float:
        """The mean loss. Raises TrainingFailed when it is not finite."""
        shoppers = np.repeat(np.arange(self.taken.shape[0]), np.diff(self.taken.indptr))
        order = self.random.permutation(len(shoppers))
        losses = [
            self._step(shoppers[part], self.taken.indices[part])
            for part in np.array_split(order, -(-len(order) // self.config.pairs))
        ]
        if not np.isfinite(losses).all():
            raise TrainingFailed(
                f"The loss is not finite at a learning rate of {self.config.learning_rate:g}. Set a lower one."
            )
        return float(np.mean(losses))

    def _step(self, shoppers: npt.NDArray[Any], items: npt.NDArray[Any]) -> float:
        from reco_plugin.trainers.deep import softmax
        from reco_plugin.trainers.deep.torches import functional, torch

        asking, wanted = (
            torch.as_tensor(part.astype(np.int64), device=self.device) for part in (shoppers, items)
        )
        with torch.no_grad():
            found = self.graph.convolved(self.nodes)
        found.requires_grad_()
        asks = functional.normalize(functional.embedding(asking, found), dim=1)
        vectors = functional.normalize(found[self.graph.n_shoppers :], dim=1)
        sharpness = 1 / self.config.temperature
        loss = softmax.backward(asks, vectors, wanted, self.negatives, sharpness=sharpness)
        with torch.no_grad():
            self.nodes.grad = self.graph.convolved(found.grad)
        self.optimizer.step()
        return loss

    def _vectors(self) -> tuple[Floats, Floats]:
        """(n_shoppers, d) and (n_items, d), of length 1; zeros for a shopper who took nothing."""
        from reco_plugin.trainers.deep.torches import functional, torch

        with torch.no_grad():
            found = functional.normalize(self.graph.convolved(self.nodes.detach()), dim=1)
        vectors = np.array(found.cpu().numpy(), dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise TrainingFailed("What was learnt is not finite. Set a lower learning rate.")
        shoppers, items = np.split(vectors, [self.graph.n_shoppers])
        shoppers[np.diff(self.taken.indptr) == 0] = 0
        return shoppers, items

    def _learnt(self, epoch: int, history: list[dict[str, float]]) -> Learnt:
        shoppers, items = self._vectors()
        named = self._named(items)
        return Learnt(
            item_vectors=items,
            item_biases=np.zeros(len(items), np.float32),
            shopper_vectors=shoppers,
            feature_vectors=named,
            feature_biases=np.zeros(len(named), np.float32),
            epochs=epoch,
            history=tuple(history),
        )

    def _named(self, items: Floats) -> Floats:
        """(f, d): what each named feature says of an item's vector; items nobody took are placed by theirs."""
        told = self.dataset.item_features
        if told is None or not told.names:
            return np.zeros((0, items.shape[1]), np.float32)
        sides = normalised(told.matrix)
        counts = np.bincount(self.taken.indices, minlength=len(items))
        taken = counts > 0
        named = placing.regressed(sides[taken], items[taken], counts[taken])
        norm = placing.predicted_norm(sides[taken], named)
        new = np.flatnonzero(~taken & (np.diff(sides.indptr) > 0))
        items[new] = placing.scaled(np.asarray(sides[new] @ named, np.float32), norm)
        return named


def _taken(interactions: sparse.csr_matrix) -> sparse.csr_matrix:
    taken = (interactions > 0).astype(np.float32).tocsr()
    taken.sort_indices()
    if not taken.nnz:
        raise NotEnoughData(
            f"There is no positive interaction among {taken.shape[0]} shoppers and {taken.shape[1]} items; "
            "record or import events first."
        )
    return taken
