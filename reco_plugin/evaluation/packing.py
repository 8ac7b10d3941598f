"""A fold and its features as one file of arrays, for a process that fits and ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.evaluation.measuring import Answers
from reco_plugin.ranking.folds import Fold
from reco_plugin.ranking.requests import Requests
from reco_plugin.trainers.histories import Histories
from reco_plugin.types import Features

Arrays = dict[str, npt.NDArray[Any]]


def save_fold(path: Path, fold: Fold, features: Features | None) -> None:
    """Write what a model may learn from and is asked. What was wanted is not in the file: nobody can peek."""
    asked = fold.requests
    arrays = _histories("train", fold.train) | _histories("past", asked.past)
    arrays |= _histories("here", asked.here) | _csr("exclude", asked.exclude)
    plain = {"now": asked.now, "eligible": asked.eligible, "shoppers": fold.shoppers}
    arrays |= {name: values for name, values in plain.items() if values is not None}
    if features is not None:
        arrays |= _csr("features", features.matrix)
        arrays["feature_names"] = np.array(features.names, dtype=np.str_)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load_fold(path: Path) -> tuple[Fold, Features | None]:
    """The inverse of `save_fold`; nothing is wanted in it."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file.items())
    train, past = _read_histories("train", arrays), _read_histories("past", arrays)
    assert train is not None
    assert past is not None
    fold = Fold(
        train=train,
        requests=Requests(
            past=past,
            here=_read_histories("here", arrays),
            now=arrays.get("now"),
            exclude=_read_csr("exclude", arrays),
            eligible=arrays.get("eligible"),
        ),
        wanted=sparse.csr_matrix((len(past), train.n_items), dtype=np.float32),
        shoppers=arrays.get("shoppers"),
    )
    matrix = _read_csr("features", arrays)
    if matrix is None:
        return fold, None
    return fold, Features(matrix=matrix, names=tuple(arrays["feature_names"].tolist()))


def save_answers(path: Path, found: Answers) -> dict[str, Any]:
    """Write the lists; returns what else there is to say, JSON-able."""
    np.savez(path, lists=found.lists, whole=found.whole)
    return {
        "fit_s": found.fit_s,
        "ms_per_request": found.ms_per_request,
        "memory_mb": found.memory_mb,
        "note": found.note,
    }


def load_answers(path: Path, told: dict[str, Any]) -> Answers:
    """The inverse of `save_answers`."""
    with np.load(path, allow_pickle=False) as file:
        return Answers(lists=file["lists"], whole=file["whole"], **told)


def _histories(name: str, past: Histories | None) -> Arrays:
    if past is None:
        return {}
    found: Arrays = {
        f"{name}.starts": past.starts,
        f"{name}.items": past.items,
        f"{name}.n_items": np.array(past.n_items),
    }
    return found | {
        f"{name}.{part}": values
        for part, values in (("at", past.at), ("basket", past.basket))
        if values is not None
    }


def _read_histories(name: str, arrays: Arrays) -> Histories | None:
    if f"{name}.starts" not in arrays:
        return None
    return Histories(
        starts=arrays[f"{name}.starts"],
        items=arrays[f"{name}.items"],
        n_items=int(arrays[f"{name}.n_items"]),
        at=arrays.get(f"{name}.at"),
        basket=arrays.get(f"{name}.basket"),
    )


def _csr(name: str, matrix: sparse.csr_matrix | None) -> Arrays:
    if matrix is None:
        return {}
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices,
        f"{name}.indptr": matrix.indptr,
        f"{name}.shape": np.asarray(matrix.shape, dtype=np.int64),
    }


def _read_csr(name: str, arrays: Arrays) -> sparse.csr_matrix | None:
    if f"{name}.data" not in arrays:
        return None
    parts = tuple(arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    return sparse.csr_matrix(parts, shape=tuple(arrays[f"{name}.shape"].tolist()))
