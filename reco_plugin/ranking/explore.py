"""A share of the tiles for new products, at random, with the chance it had written beside each tile.

Without it, what nobody has been shown is never clicked, and what is never clicked is never shown.
The chance is what makes the clicks worth something later: weighted by one over it, they tell how
another order would have fared (inverse propensity scoring; Horvitz & Thompson 1952; for lists, one
decision after another: McInerney et al., "Counterfactual evaluation of slate recommendations with
sequential reward interactions", KDD 2020).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from reco_plugin.ranking.select import unique
from reco_plugin.types import Candidate, Key

REASON = "explore"


def explore(
    ranked: Sequence[Candidate],
    fresh: Sequence[Candidate],
    share: float,
    *,
    reach: int,
    rng: random.Random,
) -> list[Candidate]:
    """`ranked` (each key once) with new products in between: each of the first `reach` places is given
    away with probability `share`, to any that is left of `fresh` with equal chances.

    `Candidate.probability` of those places is the chance that this very product got this place, given
    the places before it. It is None where nothing was left to chance: without a share, once `fresh`
    is used up, and beyond `reach`.
    """
    left, share = {one.key: one for one in unique(fresh)}, min(1.0, share)
    if share <= 0 or not left or not ranked:
        return list(ranked)
    waiting, found = deque(ranked), list[Candidate]()
    while left and waiting and len(found) < reach:
        draws = rng.random() < share
        chosen = rng.choice(list(left.values())) if draws else waiting[0]
        by_rank = (1.0 - share) if chosen.key == waiting[0].key else 0.0
        by_draw = share / len(left) if chosen.key in left else 0.0
        left.pop(chosen.key, None)
        _drop(waiting, chosen.key)
        if draws:  # it counts as found by the list it is in: exploration is no fallback
            chosen = replace(chosen, reason=REASON, rung=ranked[0].rung)
        found.append(replace(chosen, probability=by_rank + by_draw))
    return [*found, *waiting]


def _drop(waiting: deque[Candidate], key: Key) -> None:
    """A product that was drawn does not come again where it was ranked."""
    if waiting[0].key == key:
        waiting.popleft()
        return
    for candidate in waiting:
        if candidate.key == key:
            waiting.remove(candidate)
            return
