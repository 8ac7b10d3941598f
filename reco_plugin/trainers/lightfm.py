"""The LightFM hybrid: identities and side features, trained together (Kula 2015, arXiv 1507.08439).

LightFM itself is silent about what goes wrong: an empty matrix, features of 1e4 and diverging numbers
all give vectors. Here they are refused, normalised, or tried again at a lower learning rate.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.exceptions import NotEnoughData, TrainingFailed
from reco_plugin.trainers import features as sides
from reco_plugin.trainers import placing
from reco_plugin.trainers.base import Learnt, Progress
from reco_plugin.trainers.validation import METRIC, Best, Judge, judge
from reco_plugin.types import Dataset, Floats

logger = logging.getLogger(__name__)

LOSSES = ("warp", "bpr", "logistic", "warp-kos")
SCHEDULES = ("adagrad", "adadelta")
BACK_OFFS = 3
PARAMETERS = {
    "item_embeddings": "item vectors",
    "item_biases": "item biases",
    "user_embeddings": "shopper vectors",
    "user_biases": "shopper biases",
}

State: TypeAlias = dict[str, Floats]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    The defaults come from a small search on a real log (Amazon Beauty): a rate of 0.03 learns more than
    LightFM's own 0.05, and 128 dimensions are worth another 15 % of NDCG for twice the time.
    """

    loss: str = "warp"
    dimensions: int = 64
    epochs: int = 40
    """Most epochs; early stopping may take fewer."""
    learning_rate: float = 0.03
    schedule: str = "adagrad"
    item_alpha: float = 0.0
    user_alpha: float = 0.0
    max_sampled: int = 10
    """Most negatives WARP draws to find one that ranks too high."""
    k: int = 5
    """warp-kos: the k-th best of `n` positives is pushed up."""
    n: int = 10
    item_features: bool = True
    shopper_features: bool = True
    identity_share: float = 0.9
    """Share of a row's weight that is its identity, where it has features. What few shoppers have taken leans on
    the rest; what nobody has is placed by its features alone (see `placing`)."""
    weights: bool = True
    """Let an interaction's weight scale its updates; off counts all alike. warp-kos never weighs."""
    patience: int = 3
    """Looks at the hold-out without a better score before training ends; 0 trains to the end."""
    validate_every: int = 3
    """Epochs between looks."""
    validate_shoppers: int = 2_000
    """Most shoppers a look is over."""

    def __post_init__(self) -> None:
        configs.choice("loss", self.loss, LOSSES)
        configs.choice("schedule", self.schedule, SCHEDULES)
        for name in ("dimensions", "epochs", "max_sampled", "k", "n", "validate_every"):
            configs.require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        configs.require(
            0 < self.learning_rate < np.inf, "learning_rate must be a positive, finite number."
        )
        for name in ("item_alpha", "user_alpha", "patience", "validate_shoppers"):
            configs.require(getattr(self, name) >= 0, f"{name} must not be negative.")
        configs.require(0 < self.identity_share < 1, "identity_share must be between 0 and 1.")
        configs.require(self.k <= self.n, f"k ({self.k}) must not be larger than n ({self.n}).")


class LightFM:
    """The `lightfm` trainer. With more than one thread it may only run in a process of its own."""

    name: ClassVar[str] = "lightfm"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = configs.read(Config, config)

    def fit(
        self, dataset: Dataset, *, seed: int, threads: int, progress: Progress | None = None
    ) -> Learnt:
        """Learn; the same seed and one thread give the same numbers (more threads race, Hogwild).

        Raises NotEnoughData for no positive interaction, ValueError for unusable input, TrainingFailed
        when the numbers stay non-finite at an eighth of the learning rate or lightfm is missing.
        """
        fit = _prepare(dataset, self.config, seed=seed, threads=threads, progress=progress)
        for attempt in range(BACK_OFFS + 1):
            rate = self.config.learning_rate * 0.5**attempt
            try:
                return fit.run(rate)
            except _Diverged as error:
                diverged = error
                fit.note(f"{error} Tried again from the start at a rate of {rate / 2:g}.")
        raise TrainingFailed(
            f"{diverged} {BACK_OFFS} lower learning rates did not help. Set a learning_rate well below "
            f"{rate:g}, and check the weights of the events for outliers."
        )

    def memory_mb(self, dataset: Dataset) -> float:
        """See `Estimating`: each parameter with its gradient's history and the copies handed back, and
        the interactions in LightFM's own form. Measured: 14 to 17 bytes a parameter."""
        sides = (dataset.item_features, dataset.shopper_features)
        named = sum(len(side.names) for side in sides if side is not None)
        rows = len(dataset.shoppers) + len(dataset.items) + named
        parameters = rows * (self.config.dimensions + 1)
        return float(16 * parameters + 24 * dataset.interactions.nnz) / 2**20


class _Diverged(Exception):
    """Some learnt numbers are not finite."""

    def __init__(self, epoch: int, rate: float, names: list[str]) -> None:
        super().__init__(
            f"After epoch {epoch} at learning rate {rate:g} the {' and '.join(names)} were not all finite."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """One training: the matrices as LightFM wants them."""

    config: Config
    seed: int
    threads: int
    progress: Progress | None
    interactions: sparse.coo_matrix
    weights: sparse.coo_matrix | None
    item_features: sparse.csr_matrix | None
    shopper_features: sparse.csr_matrix | None
    sides: sparse.csr_matrix | None
    """Item features that take part, rows adding up to one."""
    judge: Judge | None
    notes: list[str]

    def note(self, text: str) -> None:
        logger.warning(text)
        self.notes.append(text)

    def run(self, rate: float) -> Learnt:
        """Train at a rate; the epoch of the best score on the hold-out wins. Raises _Diverged."""
        engine = _engine(self._bounded(), rate, self.seed)
        best: Best[State] = Best(self.config.patience)
        history: list[dict[str, float]] = []
        for epoch in self._epochs(engine, rate):
            if self.judge is None or not self.config.patience or not self._looks_at(epoch):
                continue
            score = self._score(engine)
            history.append({"epoch": float(epoch), METRIC: score})
            if best.better(score):
                best.keep(epoch, score, _state(engine))
            if best.exhausted:
                break
        else:
            epoch = self.config.epochs
        if best.state is not None:
            epoch = best.epoch
            vars(engine).update(best.state)
        return self._learnt(engine, epoch, history)

    def _bounded(self) -> Config:
        """LightFM's warp-kos takes log(0) when it draws as many negatives as there are items."""
        if self.config.loss != "warp-kos":
            return self.config
        others = max(self.interactions.shape[1] - 1, 1)
        return replace(self.config, max_sampled=min(self.config.max_sampled, others))

    def _epochs(self, engine: Any, rate: float) -> Iterator[int]:
        for epoch in range(1, self.config.epochs + 1):
            _run_epoch(engine, self)
            if names := _not_finite(engine):
                raise _Diverged(epoch, rate, names)
            if self.progress:
                self.progress("train", epoch, self.config.epochs)
            yield epoch

    def _looks_at(self, epoch: int) -> bool:
        return epoch % self.config.validate_every == 0 or epoch == self.config.epochs

    def _score(self, engine: Any) -> float:
        assert self.judge is not None
        biases, items = engine.get_item_representations(self.item_features)
        _, shoppers = engine.get_user_representations(self.shopper_features)
        return self.judge.score(shoppers, items, biases)

    def _learnt(self, engine: Any, epoch: int, history: list[dict[str, float]]) -> Learnt:
        biases, items = engine.get_item_representations(self.item_features)
        _, shoppers = engine.get_user_representations(self.shopper_features)
        whole = np.hstack([items, biases[:, None]]).astype(np.float32)
        named = self._named(whole)
        return Learnt(
            item_vectors=whole[:, :-1].copy(),
            item_biases=whole[:, -1].copy(),
            shopper_vectors=np.ascontiguousarray(shoppers, dtype=np.float32),
            feature_vectors=named[:, :-1].copy(),
            feature_biases=named[:, -1].copy(),
            epochs=epoch,
            history=tuple(history),
            notes=tuple(self.notes),
        )

    def _named(self, whole: Floats) -> Floats:
        """(n_sides, d + 1): what each named feature says of an item's vector and bias (`whole`, (n, d + 1)).

        Items that nobody has taken are placed in `whole` by what theirs say.
        """
        if self.sides is None:
            return np.zeros((0, whole.shape[1]), np.float32)
        counts = np.bincount(self.interactions.col, minlength=len(whole))
        taken = counts > 0
        named = placing.regressed(self.sides[taken], whole[taken], counts[taken])
        norm = placing.predicted_norm(self.sides[taken], named[:, :-1])
        new = np.flatnonzero(~taken & (np.diff(self.sides.indptr) > 0))
        found = np.asarray(self.sides[new] @ named, dtype=np.float32)
        whole[new] = np.hstack([placing.scaled(found[:, :-1], norm), found[:, -1:]])
        return named


def _prepare(
    dataset: Dataset, config: Config, *, seed: int, threads: int, progress: Progress | None
) -> _Fit:
    n_shoppers, n_items = dataset.interactions.shape
    positive = _positive(dataset.interactions)
    items = dataset.item_features if config.item_features else None
    shoppers = dataset.shopper_features if config.shopper_features else None
    if items is not None:
        sides.check(items, n_items, "item")
    if shoppers is not None:
        sides.check(shoppers, n_shoppers, "shopper")
    fit = _Fit(
        config=config,
        seed=seed,
        threads=threads,
        progress=progress,
        interactions=_ones(positive),
        weights=None,
        item_features=sides.with_identity(items, n_items, share=config.identity_share),
        shopper_features=sides.with_identity(shoppers, n_shoppers, share=config.identity_share),
        sides=sides.normalised(items.matrix) if items is not None and items.names else None,
        judge=judge(dataset, most=config.validate_shoppers, seed=seed),
        notes=[],
    )
    return replace(fit, weights=_weights(positive, fit))


def _positive(interactions: sparse.csr_matrix) -> sparse.coo_matrix:
    if interactions.nnz and not np.isfinite(interactions.data).all():
        raise ValueError(
            "Some interaction weights are not finite numbers; check the event weights."
        )
    csr = interactions.tocsr().astype(np.float32)
    csr.sum_duplicates()
    csr.data[csr.data < 0] = 0
    csr.eliminate_zeros()
    if not csr.nnz:
        raise NotEnoughData(
            f"There is no positive interaction among {csr.shape[0]} shoppers and {csr.shape[1]} items; "
            "record or import events first."
        )
    return csr.tocoo()


def _ones(positive: sparse.coo_matrix) -> sparse.coo_matrix:
    ones = np.ones(positive.nnz, dtype=np.float32)
    return sparse.coo_matrix((ones, (positive.row, positive.col)), shape=positive.shape)


def _weights(positive: sparse.coo_matrix, fit: _Fit) -> sparse.coo_matrix | None:
    """Weights of mean 1, so that a learning rate means the same in every shop; None when all are alike."""
    mean = positive.data.mean(dtype=np.float64)
    if not fit.config.weights or np.ptp(positive.data) <= 1e-6 * mean:
        return None
    if fit.config.loss == "warp-kos":
        fit.note("LightFM's warp-kos has no sample weights: all interactions counted alike.")
        return None
    scaled = (positive.data / mean).astype(np.float32)
    return sparse.coo_matrix((scaled, (positive.row, positive.col)), shape=positive.shape)


def _engine(config: Config, rate: float, seed: int) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # built without OpenMP, it says so at import
            import lightfm
    except ModuleNotFoundError as error:
        if error.name != "lightfm":
            raise
        raise TrainingFailed(
            "lightfm is not installed. Run: pip install django-reco-plugin[lightfm]"
        ) from error
    told = asdict(config)
    shared = ("loss", "item_alpha", "user_alpha", "max_sampled", "k", "n")
    return lightfm.LightFM(
        no_components=config.dimensions,
        learning_schedule=config.schedule,
        learning_rate=rate,
        random_state=seed,
        **{name: told[name] for name in shared},
    )


def _run_epoch(engine: Any, fit: _Fit) -> None:
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # we look for ourselves
            engine.fit_partial(
                fit.interactions,
                user_features=fit.shopper_features,
                item_features=fit.item_features,
                sample_weight=fit.weights,
                num_threads=fit.threads,
            )
    except ValueError:
        if not _not_finite(engine):  # else LightFM's own check of the same, which names nothing
            raise


def _not_finite(engine: Any) -> list[str]:
    """The learnt parts that hold a number that is not finite."""
    found = []
    for attribute, meaning in PARAMETERS.items():
        array = getattr(engine, attribute)
        if array is not None and not (np.isfinite(array.min()) and np.isfinite(array.max())):
            found.append(meaning)
    return found


def _state(engine: Any) -> State:
    return {attribute: getattr(engine, attribute).copy() for attribute in PARAMETERS}
