"""SASRec: what comes next, by causal self-attention over the newest events (Kang & McAuley 2018, arXiv 1808.09781).

Learnt by cross-entropy over all items (see `softmax`). An event sees its own basket and those before it, and is
asked for one item of the next basket: where events stand alone, that is the next event.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reco_plugin import hyperparameters as configs
from reco_plugin.exceptions import TrainingFailed
from reco_plugin.metrics import ndcg_at_k
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.deep import sequences, torches
from reco_plugin.trainers.deep.holdout import Held, held_out
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.topn import top_n
from reco_plugin.trainers.transitions import required
from reco_plugin.trainers.validation import METRIC, Best, K
from reco_plugin.types import Floats

if TYPE_CHECKING:
    from reco_plugin.trainers.deep.attention import Network

logger = logging.getLogger(__name__)

ROWS = 256
"""Histories asked at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    dimensions: int = 64
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.3
    window: int = 50
    """Newest events that are looked at."""
    repeats: bool = True
    """Learn what is taken again too; off where nothing is answered that was met before."""
    epochs: int = 60
    """Most epochs; early stopping may take fewer."""
    learning_rate: float = 0.001
    events: int = 1024
    """Events of a step of learning, about."""
    exact: int = 4_096
    """Largest catalogue whose every item is in the softmax; of a larger one `negatives` are drawn."""
    negatives: int = 1_024
    patience: int = 3
    """Epochs without a better score on the hold-out before training ends; 0 trains to the end."""

    def __post_init__(self) -> None:
        for name in ("dimensions", "blocks", "heads", "window", "epochs", "events", "negatives"):
            configs.require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        for name in ("exact", "patience"):
            configs.require(getattr(self, name) >= 0, f"{name} must not be negative.")
        configs.require(0 <= self.dropout < 1, "dropout must be at least 0 and below 1.")
        configs.require(0 < self.learning_rate < np.inf, "learning_rate must be positive.")
        configs.require(
            self.dimensions % self.heads == 0,
            f"dimensions ({self.dimensions}) must be a multiple of heads ({self.heads}).",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Attention:
    """What was learnt: item vectors, and a network that makes a vector of a history."""

    network: Network
    item_vectors: Floats
    """(n_items, d): a score is the product with the vector of a history."""
    window: int
    threads: int
    device: Any
    epochs: int
    """Epochs of the best score on the hold-out, or all where nothing could be held out."""
    history: tuple[Mapping[str, float], ...] = ()
    """One entry per epoch: {'epoch': 3, 'loss': 6.1, 'ndcg@10': 0.02}."""

    def vectors(self, past: Histories) -> Floats:
        """float32 (n, d): what each history asks for; zeros for an empty one."""
        found = np.zeros((len(past), self.item_vectors.shape[1]), np.float32)
        with torches.session(0, self.threads):
            for start in range(0, len(past), ROWS):
                rows = np.arange(start, min(start + ROWS, len(past)))
                found[rows] = _vectors(self.network, past.select(rows), self.window, self.device)
        return found

    def score(self, past: Histories) -> Floats:
        """float32 (n, n_items); -inf for a history without events, of which nothing is known."""
        scores = self.vectors(past) @ self.item_vectors.T
        scores[past.lengths == 0] = -np.inf
        return scores


class SASRec:
    """The `sasrec` trainer."""

    name: ClassVar[str] = "sasrec"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = configs.read(Config, config)

    def fit(
        self,
        past: Histories,
        *,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Attention:
        """Learn; the same seed and threads give the same numbers on one processor (a GPU's sums vary a little).

        Raises NotEnoughData when there is no event, TrainingFailed for numbers that are not finite or when
        torch is missing.
        """
        required(past)
        with torches.session(seed, threads) as device:
            return _Fit(self.config, past, seed=seed, threads=threads, device=device).run(progress)


class _Fit:
    """One training."""

    def __init__(
        self, config: Config, past: Histories, *, seed: int, threads: int, device: Any
    ) -> None:
        from reco_plugin.trainers.deep.attention import Network
        from reco_plugin.trainers.deep.torches import torch

        self.config, self.threads, self.device = config, threads, device
        self.random = np.random.default_rng(seed)
        self.held = held_out(past, repeats=config.repeats, seed=seed) if config.patience else None
        self.train = past if self.held is None else self.held.train
        self.follow = sequences.following(self.train, repeats=config.repeats)
        self.network = Network(
            past.n_items,
            dimensions=config.dimensions,
            blocks=config.blocks,
            heads=config.heads,
            dropout=config.dropout,
        ).to(device)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, betas=(0.9, 0.98)
        )
        self.negatives = _negatives(self.train, config, device)

    def run(self, progress: Progress | None) -> Attention:
        best: Best[Any] = Best(self.config.patience)
        history: list[dict[str, float]] = []
        for epoch in range(1, self.config.epochs + 1):
            told = {"epoch": float(epoch), "loss": self._epoch()}
            history.append(told)
            if progress:
                progress("train", epoch, self.config.epochs)
            if self.held is None:
                continue
            told[METRIC] = self._score(self.held)
            logger.debug("sasrec %s", told)
            if best.better(told[METRIC]):
                best.keep(epoch, told[METRIC], _state(self.network))
            if best.exhausted:
                break
        if best.state is not None:
            epoch = best.epoch
            self.network.load_state_dict(best.state)
        return Attention(
            network=self.network,
            item_vectors=_item_vectors(self.network),
            window=self.config.window,
            threads=self.threads,
            device=self.device,
            epochs=epoch,
            history=tuple(history),
        )

    def _epoch(self) -> float:
        """The mean loss. Raises TrainingFailed when it is not finite."""
        config = self.config
        self.network.train()
        losses = [
            self._step(batch)
            for batch in sequences.batches(
                self.train,
                self.follow,
                window=config.window,
                events=config.events,
                random=self.random,
            )
        ]
        if not np.isfinite(losses).all():
            raise TrainingFailed(
                f"The loss is not finite at a learning rate of {config.learning_rate:g}. Set a lower one."
            )
        return float(np.mean(losses)) if losses else 0.0

    def _step(self, batch: sequences.Batch) -> float:
        from reco_plugin.trainers.deep import softmax
        from reco_plugin.trainers.deep.torches import torch

        items, step, asks, wanted = (
            torch.as_tensor(part, device=self.device)
            for part in (batch.items, batch.step, batch.asks, batch.next)
        )
        self.optimizer.zero_grad(set_to_none=True)
        hidden = self.network(items, step)[asks]
        loss = softmax.backward(hidden, self.network.items.weight, wanted, self.negatives)
        self.optimizer.step()
        return loss

    def _score(self, held: Held) -> float:
        """NDCG@10 on the hold-out."""
        items = _item_vectors(self.network)
        asked = held.train.select(held.rows)
        parts = [
            _vectors(self.network, asked.select(rows), self.config.window, self.device)
            for rows in np.array_split(np.arange(len(asked)), max(len(asked) // ROWS, 1))
        ]
        nothing = np.zeros(len(items), np.float32)
        if not all(np.isfinite(part).all() for part in (*parts, items)):
            raise TrainingFailed("What was learnt is not finite. Set a lower learning rate.")
        ranked, _ = top_n(np.concatenate(parts), items, nothing, K, exclude=held.exclude)
        return float(ndcg_at_k(ranked, held.wanted).mean())


def _negatives(train: Histories, config: Config, device: Any) -> Any:
    from reco_plugin.trainers.deep.softmax import Negatives

    if train.n_items <= config.exact:
        return None
    return Negatives(train.counts(), config.negatives, device)


def _vectors(network: Network, past: Histories, window: int, device: Any) -> Floats:
    """(n, d): the mean over the events of the newest basket, which has no order; zeros for no event."""
    from reco_plugin.trainers.deep.torches import torch

    batch = sequences.newest(past, window)
    network.eval()
    with torch.no_grad():
        items, step = (torch.as_tensor(part, device=device) for part in (batch.items, batch.step))
        found = network(items, step).cpu().numpy()
    there = batch.step < sequences.FAR
    last = np.where(there, batch.step, -1).max(axis=1, keepdims=True)
    weights = (there & (batch.step == last)).astype(np.float32)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.einsum("nl,nld->nd", weights, found), dtype=np.float32)


def _item_vectors(network: Network) -> Floats:
    return np.array(network.items.weight.detach().cpu().numpy(), dtype=np.float32)


def _state(network: Network) -> dict[str, Any]:
    return {name: values.detach().clone() for name, values in network.state_dict().items()}
