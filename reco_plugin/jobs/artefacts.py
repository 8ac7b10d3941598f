"""What a run learnt, as one checked .npz file in RECO_ARTEFACT_DIR; the row keeps its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reco_plugin import conf
from reco_plugin.models import Run
from reco_plugin.trainers import artefacts
from reco_plugin.trainers.base import Learnt
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


def folder() -> Path:
    """RECO_ARTEFACT_DIR, made if it is not there."""
    path = Path(conf.settings.ARTEFACT_DIR)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def artefact_path(run: Run) -> Path:
    """Where the artefact of `run` lies; its row keeps the name relative to RECO_ARTEFACT_DIR."""
    return Path(conf.settings.ARTEFACT_DIR) / run.artefact


def save(run: Run, dataset: Dataset, learnt: Learnt) -> None:
    """Write the artefact of `run` and keep its name and checksum in the row."""
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
            "feature_vectors": learnt.feature_vectors,
            "feature_biases": learnt.feature_biases,
        },
        {
            "run": run.pk,
            "kind": run.kind,
            "feature_names": list(features.names if features else ()),
        },
    )
    run.artefact = name
    run.save(update_fields=["artefact", "sha256"])


def load(run: Run) -> Artefact:
    """Read it back. Raises ArtefactCorrupt when the file is not the one that was written."""
    arrays, meta = artefacts.load(artefact_path(run), run.sha256)
    return Artefact(
        items=IdMap(keys=arrays["item_keys"]),
        feature_names=tuple(meta["feature_names"]),
        feature_vectors=arrays["feature_vectors"],
        feature_biases=arrays["feature_biases"],
    )
