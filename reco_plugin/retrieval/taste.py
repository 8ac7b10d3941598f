"""A source's candidates in the shopper's own order, where their taste is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from reco_plugin.retrieval.fusion import Offer, fuse
from reco_plugin.types import Candidate, Floats, Key

TASTE = 3.0
"""How much louder the shopper's taste speaks than the source's own order."""


def by_taste(
    candidates: Sequence[Candidate], vector: Floats | None, vectors: Mapping[Key, Floats]
) -> list[Candidate]:
    """`candidates` by their own rank and by the cosine of `vectors[key]` (d,) with `vector` (d,).

    One whose vector is not known keeps its own rank, between those that fit and those that do not.
    Scores stay those of the source: they are figures of something.
    """
    liking = _cosines([candidate.key for candidate in candidates], vector, vectors)
    if not liking:
        return list(candidates)
    middle = float(np.median(list(liking.values())))
    liked = sorted(candidates, key=lambda one: -liking.get(one.key, middle))
    scores = {candidate.key: candidate.score for candidate in candidates}
    fused = fuse([Offer(candidates=candidates), Offer(candidates=liked, weight=TASTE)])
    return [replace(candidate, score=scores[candidate.key]) for candidate in fused]


def _cosines(
    keys: Sequence[Key], vector: Floats | None, vectors: Mapping[Key, Floats]
) -> dict[Key, float]:
    known = [key for key in keys if key in vectors]
    length = 0.0 if vector is None else float(np.linalg.norm(vector))
    if vector is None or not known or length == 0.0:
        return {}
    rows = np.stack([vectors[key] for key in known])
    lengths = np.maximum(np.linalg.norm(rows, axis=1), 1e-12) * length
    return dict(zip(known, (rows @ vector / lengths).tolist(), strict=True))
