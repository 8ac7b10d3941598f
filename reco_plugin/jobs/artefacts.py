"""What a run learnt, as one checked .npz file in RECO_ARTEFACT_DIR; the row keeps its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import artefacts, conf
from reco_plugin.exceptions import ArtefactCorrupt
from reco_plugin.jobs import looks
from reco_plugin.models import Run
from reco_plugin.stores.base import Vectors
from reco_plugin.trainers import placing
from reco_plugin.trainers.base import Learnt
from reco_plugin.trainers.features import normalised
from reco_plugin.types import Dataset, Floats, IdMap


@dataclass(frozen=True, kw_only=True, eq=False)
class Artefact:
    """The part of a run that gives products born later their vectors."""

    items: IdMap
    feature_names: tuple[str, ...]
    feature_vectors: Floats
    """(n_features, d)"""
    feature_biases: Floats
    """(n_features,)"""
    feature_norm: float = 0.0
    """How long a vector is that features predict; 0: as they come."""
    looks: looks.Known | None = None
    """The kinds of picture among its features; None where pictures took no part."""
    features: sparse.csr_matrix | None = None
    """bool (n_items, n_features): which features each item has; None in artefacts of before they were kept."""
    taken: Floats | None = None
    """(n_items,) how much it was wanted, lately more than long ago; 0 for what nobody has met."""

    def placed(self, rows: sparse.csr_matrix) -> tuple[Floats, Floats]:
        """Vectors (n, d) and biases (n,) of products by their features, (n, n_features) rows adding up to one."""
        vectors = np.asarray(rows @ self.feature_vectors, dtype=np.float32)
        return placing.scaled(vectors, self.feature_norm), rows @ self.feature_biases


def folder() -> Path:
    """RECO_ARTEFACT_DIR, made if it is not there."""
    path = Path(conf.settings.ARTEFACT_DIR)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def artefact_path(run: Run) -> Path:
    """Where the artefact of `run` lies; its row keeps the name relative to RECO_ARTEFACT_DIR."""
    return Path(conf.settings.ARTEFACT_DIR) / run.artefact


def trial_path(run: Run) -> Path | None:
    """Where the trial of `run` lies, if it kept one (see `champion`)."""
    name = run.metrics.get("trial", {}).get("file", "")
    return Path(conf.settings.ARTEFACT_DIR) / name if name else None


def files_of(run: Run) -> list[Path]:
    """The artefact of `run`, its trial, and what lies beside it by the same name (an encoder's files for
    requests)."""
    trial = trial_path(run)
    found = [trial] if trial else []
    if not run.artefact:
        return found
    path = artefact_path(run)
    return [*found, path, *path.parent.glob(f"{path.stem}.*onnx")]


def write(
    run: Run, dataset: Dataset, learnt: Learnt, known_looks: looks.Known | None = None
) -> None:
    """Write the artefact of `run`; its name and checksum are set in the row, which is not saved."""
    look_arrays, look_meta = looks.pack(known_looks)
    name = f"{run.kind}-{run.pk}.npz"
    features = dataset.item_features
    run.sha256 = artefacts.save(
        folder() / name,
        {
            "item_keys": dataset.items.keys,
            "item_vectors": learnt.item_vectors,
            "item_biases": learnt.item_biases,
            "shopper_keys": dataset.shoppers.keys,
            "shopper_vectors": learnt.shopper_vectors,
            "shoppers_known": known(dataset),
            "feature_vectors": learnt.feature_vectors,
            "feature_biases": learnt.feature_biases,
            **_taken(dataset),
            **look_arrays,
        },
        {
            "run": run.pk,
            "kind": run.kind,
            "feature_names": list(features.names if features else ()),
            "feature_norm": _feature_norm(dataset, learnt),
            **look_meta,
        },
    )
    run.artefact = name


def _taken(dataset: Dataset) -> artefacts.Arrays:
    """Which features every item has, not how much of each; and how much it was taken."""
    found = {"items_taken": np.asarray(dataset.interactions.sum(axis=0), dtype=np.float32).ravel()}
    if dataset.item_features is None:
        return found
    matrix = dataset.item_features.matrix
    return {
        **found,
        "items_have": matrix.indices.astype(np.int32),
        "items_have_from": matrix.indptr.astype(np.int64),
    }


def _features(arrays: artefacts.Arrays, names: int) -> sparse.csr_matrix | None:
    if "items_have" not in arrays:
        return None
    columns, starts = arrays["items_have"], arrays["items_have_from"]
    shape = (len(starts) - 1, names)
    return sparse.csr_matrix((np.ones(len(columns), np.bool_), columns, starts), shape=shape)


def _feature_norm(dataset: Dataset, learnt: Learnt) -> float:
    """Of what was taken, so that a product born later is as long as those."""
    if dataset.item_features is None or not len(learnt.feature_vectors):
        return 0.0
    taken = dataset.interactions.getnnz(axis=0) > 0
    rows = normalised(dataset.item_features.matrix)[taken]
    return placing.predicted_norm(rows, learnt.feature_vectors)


def known(dataset: Dataset) -> npt.NDArray[np.int64]:
    """Rows of the shoppers that something was learnt of."""
    return np.flatnonzero(np.diff(dataset.interactions.indptr))


def vectors(run: Run) -> Vectors:
    """What `run` learnt, as a store takes it. Raises ArtefactCorrupt."""
    arrays, _ = artefacts.load(artefact_path(run), run.sha256)
    if "shoppers_known" not in arrays:
        raise ArtefactCorrupt(
            f"The artefact of run {run.pk} does not say whom it knows. Train again."
        )
    rows = arrays["shoppers_known"]
    return Vectors(
        items=IdMap(keys=arrays["item_keys"]),
        item_vectors=arrays["item_vectors"],
        item_biases=arrays["item_biases"],
        shoppers=IdMap(keys=arrays["shopper_keys"][rows]),
        shopper_vectors=arrays["shopper_vectors"][rows],
    )


def load(run: Run) -> Artefact:
    """Read it back. Raises ArtefactCorrupt when the file is not the one that was written."""
    arrays, meta = artefacts.load(artefact_path(run), run.sha256)
    return Artefact(
        items=IdMap(keys=arrays["item_keys"]),
        feature_names=tuple(meta["feature_names"]),
        feature_vectors=arrays["feature_vectors"],
        feature_biases=arrays["feature_biases"],
        feature_norm=float(meta.get("feature_norm", 0.0)),
        looks=looks.unpack(arrays, meta),
        features=_features(arrays, len(meta["feature_names"])),
        taken=arrays.get("items_taken"),
    )
