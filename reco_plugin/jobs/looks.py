"""What the live visual run says of products, as features: for those that are trained on, and for those born later."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin import backends
from reco_plugin.datasets.looks import Looks
from reco_plugin.exceptions import StoreError
from reco_plugin.jobs.publish import active_run, handle
from reco_plugin.models import Run
from reco_plugin.stores.base import Exporting, Lending
from reco_plugin.types import Features, Floats, IdMap, Key

log = logging.getLogger(__name__)

KIND = "visual"
FEWEST = 0.5
"""Share of the products in the log that must have an image vector, for pictures to take part."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """The kinds of picture that a personal run knows."""

    looks: Looks
    run: int
    """The visual run in whose space the centres lie."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """The products of a training in the live visual run."""

    share: float = 0.0
    """Of all that have an image vector."""
    known: Known | None = None
    """None where there are too few to learn from."""
    features: Features | None = None
    """Rows follow the products."""
    why: str = field(default="no visual run is live")
    """Why pictures take no part, where they do not."""

    def as_json(self) -> dict[str, Any]:
        """For Run.dataset."""
        if self.known is None:
            return {"share": round(self.share, 4), "why": self.why}
        looks = self.known.looks
        return {"share": round(self.share, 4), "run": self.known.run, "kinds": list(looks.sizes)}


def see(site: int, items: IdMap, *, seed: int = 0) -> Seen:
    """Find the kinds of picture among `items`, where the live visual run knows enough of them."""
    run = active_run(site, KIND)
    if run is None or not len(items):
        return Seen()
    try:
        vectors = _all(run, items)
    except StoreError as error:
        log.warning("visual run %s cannot be read, pictures take no part: %s", run.pk, error)
        return Seen(why=f"visual run {run.pk} cannot be read: {error}")
    share = float(vectors.any(axis=1).mean())
    looks = Looks.find(vectors, seed=seed) if share >= FEWEST else None
    if looks is None:
        return Seen(share=share, why="too few products have an image vector")
    known = Known(looks=looks, run=run.pk)
    return Seen(share=share, known=known, features=looks.features(vectors))


def looks_of(site: int, known: Known, items: IdMap, keys: Sequence[Key]) -> Features | None:
    """What other products (`keys`) have of the kinds that a run knows; rows follow `keys`.

    `items` are those the run was trained on. Where another visual run is live than in the training, the
    kinds are found again from the products that stood for them. None where there is nothing to see.
    """
    run = active_run(site, KIND)
    if run is None:
        return None
    try:
        looks = known.looks if run.pk == known.run else _moved(run, known.looks, items)
        vectors = _few(run, keys)
    except StoreError as error:
        log.warning("visual run %s cannot be read, new products go without: %s", run.pk, error)
        return None
    if looks is None or vectors is None:
        return None
    return looks.features(vectors)


def _moved(run: Run, looks: Looks, items: IdMap) -> Looks | None:
    anchors = _few(run, IdMap(keys=items.keys[looks.anchor_rows]).to_python())
    return None if anchors is None else looks.among(anchors)


def _all(run: Run, items: IdMap) -> Floats:
    """(len(items), d), zeros for one without a vector; empty where the store hands nothing out."""
    store = backends.store(run.store)
    if not isinstance(store, Exporting):
        return np.zeros((len(items), 0), np.float32)
    found, vectors = store.item_vectors(handle(run))
    rows = [items.row(key) for key in found.to_python()]
    at = np.asarray([-1 if row is None else row for row in rows], np.int64)
    placed = np.zeros((len(items), vectors.shape[1]), np.float32)
    placed[at[at >= 0]] = vectors[at >= 0]
    return placed


def _few(run: Run, keys: Sequence[Key]) -> Floats | None:
    """(len(keys), d), zeros for one without a vector; None where none has one."""
    store = backends.store(run.store)
    if not isinstance(store, Lending):
        return None
    found = store.vectors_of(handle(run), keys)
    if not found:
        return None
    nothing = np.zeros_like(next(iter(found.values())))
    return np.stack([found.get(key, nothing) for key in keys]).astype(np.float32)


# --- in an artefact ------------------------------------------------------------------------------


def pack(known: Known | None) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Arrays and JSON-able words for an artefact."""
    if known is None:
        return {}, {}
    arrays: dict[str, npt.NDArray[Any]] = {}
    for grain, (centres, anchors) in enumerate(
        zip(known.looks.centres, known.looks.anchors, strict=True)
    ):
        arrays |= {f"look_centres_{grain}": centres, f"look_anchors_{grain}": anchors}
    return arrays, {"looks": {"run": known.run, "grains": len(known.looks.centres)}}


def unpack(arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]) -> Known | None:
    """What `pack` gave; None where pictures took no part. Raises KeyError for a part that is missing."""
    told = meta.get("looks")
    if not told:
        return None
    grains = range(told["grains"])
    looks = Looks(
        centres=tuple(arrays[f"look_centres_{grain}"] for grain in grains),
        anchors=tuple(arrays[f"look_anchors_{grain}"] for grain in grains),
    )
    return Known(looks=looks, run=told["run"])
