"""Datasets and learnt arrays as artefacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from reco_plugin import artefacts
from reco_plugin.artefacts import Arrays
from reco_plugin.exceptions import ArtefactCorrupt
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import Dataset, Features, IdMap

_LEARNT = (
    "item_vectors",
    "item_biases",
    "shopper_vectors",
    "feature_vectors",
    "feature_biases",
)


def save_dataset(path: str | Path, dataset: Dataset) -> str:
    """Write a dataset; returns the sha256."""
    arrays = _pack_csr("interactions", dataset.interactions)
    arrays |= {"shoppers": dataset.shoppers.keys, "items": dataset.items.keys}
    names: dict[str, tuple[str, ...]] = {}
    if dataset.holdout is not None:
        arrays |= _pack_csr("holdout", dataset.holdout)
    for part in ("item_features", "shopper_features"):
        if (features := getattr(dataset, part)) is not None:
            arrays |= _pack_csr(part, features.matrix)
            names[part] = features.names
    return artefacts.save(path, arrays, {"kind": "dataset", "names": names})


def load_dataset(path: str | Path, sha256: str | None = None) -> Dataset:
    """Read a dataset; raises ArtefactCorrupt."""
    arrays, meta = _load(path, sha256, "dataset")
    names = meta["names"]
    return Dataset(
        interactions=_unpack_csr("interactions", arrays),
        shoppers=IdMap(keys=arrays["shoppers"]),
        items=IdMap(keys=arrays["items"]),
        item_features=_unpack_features("item_features", arrays, names),
        shopper_features=_unpack_features("shopper_features", arrays, names),
        holdout=_unpack_csr("holdout", arrays) if "holdout.shape" in arrays else None,
    )


def save_learnt(path: str | Path, learnt: Learnt, meta: Mapping[str, Any] | None = None) -> str:
    """Write what a trainer learnt, with any JSON-able `meta` of yours; returns the sha256."""
    arrays = {name: getattr(learnt, name) for name in _LEARNT}
    told = {"epochs": learnt.epochs, "history": list(learnt.history), "notes": list(learnt.notes)}
    return artefacts.save(path, arrays, {"kind": "learnt", "learnt": told, "yours": meta or {}})


def load_learnt(path: str | Path, sha256: str | None = None) -> Learnt:
    """Read what a trainer learnt; raises ArtefactCorrupt."""
    arrays, meta = _load(path, sha256, "learnt")
    told = meta["learnt"]
    return Learnt(
        **{name: arrays[name] for name in _LEARNT},
        epochs=told["epochs"],
        history=tuple(told["history"]),
        notes=tuple(told["notes"]),
    )


def _load(path: str | Path, sha256: str | None, kind: str) -> tuple[Arrays, dict[str, Any]]:
    arrays, meta = artefacts.load(path, sha256)
    if meta.get("kind") != kind:
        raise ArtefactCorrupt(f"{path} holds a {meta.get('kind')!r}, not a {kind!r}.")
    return arrays, meta


def _pack_csr(name: str, matrix: sparse.csr_matrix) -> Arrays:
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices,
        f"{name}.indptr": matrix.indptr,
        f"{name}.shape": np.asarray(matrix.shape, dtype=np.int64),
    }


def _unpack_csr(name: str, arrays: Arrays) -> sparse.csr_matrix:
    parts = tuple(arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    return sparse.csr_matrix(parts, shape=tuple(arrays[f"{name}.shape"].tolist()))


def _unpack_features(name: str, arrays: Arrays, names: Mapping[str, list[str]]) -> Features | None:
    if name not in names:
        return None
    return Features(matrix=_unpack_csr(name, arrays), names=tuple(names[name]))
