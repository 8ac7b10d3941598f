"""A share of the tiles for new products, at random, with the chance it had written beside each tile.

Without it, what nobody has been shown is never clicked, and what is never clicked is never shown.
The chance is what makes the clicks worth something later: weighted by one over it, they tell how
another order would have fared (inverse propensity scoring; Horvitz & Thompson 1952; for lists, one
decision after another: McInerney et al., "Counterfactual evaluation of slate recommendations with
sequential reward interactions", KDD 2020).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from reco_plugin.ranking.select import unique
from reco_plugin.types import Candidate

REASON = "explore"


def explore(
    ranked: Sequence[Candidate],
    fresh: Sequence[Candidate],
    share: float,
    *,
    reach: int,
    rng: random.Random,
) -> list[Candidate]:
    """`ranked` with new products drawn from `fresh` in between: each of the first `reach` places is
    given away with probability `share`, to any that is left of `fresh` with equal chances.

    `Candidate.probability` of those places is the chance that this very product got this place, given
    the places before it. It is None where nothing was left to chance: without a share, once `fresh`
    is used up, and beyond `reach`. What was drawn counts as found by the list it is in.
    """
    left = unique(fresh)
    share = min(1.0, share)
    if share <= 0 or not left or not ranked:
        return list(ranked)
    waiting = list(reversed(unique(ranked)))
    rung, found = ranked[0].rung, list[Candidate]()
    while left and waiting and len(found) < reach:
        draws = rng.random() < share
        chosen = left[rng.randrange(len(left))] if draws else waiting[-1]
        chance = _chance(chosen, waiting[-1], left, share)
        if draws:
            chosen = replace(chosen, reason=REASON, rung=rung)
        found.append(replace(chosen, probability=chance))
        left = [one for one in left if one.key != chosen.key]
        waiting = _without(waiting, chosen)
    return found + waiting[::-1]


def _chance(
    chosen: Candidate, following: Candidate, left: Sequence[Candidate], share: float
) -> float:
    """Drawn or not: a new product that was next anyway could have come either way."""
    by_rank = (1.0 - share) if chosen.key == following.key else 0.0
    is_new = any(one.key == chosen.key for one in left)
    return by_rank + (share / len(left) if is_new else 0.0)


def _without(waiting: list[Candidate], chosen: Candidate) -> list[Candidate]:
    if waiting[-1].key == chosen.key:
        waiting.pop()
        return waiting
    return [one for one in waiting if one.key != chosen.key]
