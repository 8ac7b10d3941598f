"""What a learnt blend is made from and what it is, as files between two processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from reco_plugin import artefacts
from reco_plugin.artefacts import Arrays
from reco_plugin.ranking.packed import Packed
from reco_plugin.ranking.served import Learnt, Served, Settings
from reco_plugin.ranking.votes import Recipe
from reco_plugin.trainers.histories import Histories
from reco_plugin.types import Features

ENDS = ("trial", "final")


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """What `served.learn` is given."""

    whole: Histories
    moment: int
    features: Features | None = None
    worth: sparse.csr_matrix | None = None
    settings: Settings


def save_asked(path: Path, asked: Asked) -> str:
    """The sha256."""
    whole = asked.whole
    assert whole.at is not None
    arrays: Arrays = {"starts": whole.starts, "items": whole.items, "at": whole.at}
    if whole.basket is not None:
        arrays["basket"] = whole.basket
    meta: dict[str, Any] = {
        "n_items": whole.n_items,
        "moment": asked.moment,
        "settings": asdict(asked.settings),
    }
    if asked.features is not None:
        arrays |= _packed("features", asked.features.matrix)
        meta["names"] = list(asked.features.names)
    if asked.worth is not None:
        arrays |= _packed("worth", asked.worth)
    return artefacts.save(path, arrays, meta)


def load_asked(path: Path, sha256: str) -> Asked:
    """Raises ArtefactCorrupt."""
    arrays, meta = artefacts.load(path, sha256)
    whole = Histories(
        starts=arrays["starts"],
        items=arrays["items"],
        n_items=meta["n_items"],
        at=arrays["at"],
        basket=arrays.get("basket"),
    )
    matrix = _unpacked("features", arrays)
    return Asked(
        whole=whole,
        moment=int(meta["moment"]),
        features=None if matrix is None else Features(matrix=matrix, names=tuple(meta["names"])),
        worth=_unpacked("worth", arrays),
        settings=Settings(**meta["settings"]),
    )


def save_learnt(path: Path, learnt: Learnt) -> str:
    """The sha256."""
    arrays: Arrays = {}
    meta: dict[str, Any] = {
        "facts": learnt.facts,
        "requests": learnt.requests,
        "seconds": learnt.seconds,
        "notes": list(learnt.notes),
    }
    for end in ENDS:
        served: Served = getattr(learnt, end)
        arrays |= {
            f"{end}.starts": served.packed.starts,
            f"{end}.items": served.packed.items,
            f"{end}.values": served.packed.values,
            f"{end}.prior": served.prior,
            f"{end}.trending": served.trending,
        }
        meta[end] = served.recipe.as_json()
    return artefacts.save(path, arrays, meta)


def load_learnt(path: Path, sha256: str) -> Learnt:
    """Raises ArtefactCorrupt."""
    arrays, meta = artefacts.load(path, sha256)
    ends = {end: _served(end, arrays, meta[end]) for end in ENDS}
    return Learnt(
        **ends,
        facts=meta["facts"],
        requests=meta["requests"],
        seconds=meta["seconds"],
        notes=tuple(meta["notes"]),
    )


def _served(end: str, arrays: Arrays, recipe: Mapping[str, Any]) -> Served:
    found = Recipe.of_json(recipe)
    packed = Packed(
        members=found.members,
        starts=arrays[f"{end}.starts"],
        items=arrays[f"{end}.items"],
        values=arrays[f"{end}.values"],
    )
    return Served(
        packed=packed,
        recipe=found,
        prior=arrays[f"{end}.prior"],
        trending=arrays[f"{end}.trending"],
    )


_CSR = ("data", "indices", "indptr")


def _packed(name: str, matrix: sparse.csr_matrix) -> Arrays:
    found = matrix.tocsr()
    parts = {f"{name}.{part}": getattr(found, part) for part in _CSR}
    return {**parts, f"{name}.shape": np.array(found.shape)}


def _unpacked(name: str, arrays: Arrays) -> sparse.csr_matrix | None:
    if f"{name}.shape" not in arrays:
        return None
    parts = tuple(arrays[f"{name}.{part}"] for part in _CSR)
    return sparse.csr_matrix(parts, shape=tuple(arrays[f"{name}.shape"]), dtype=np.float32)
