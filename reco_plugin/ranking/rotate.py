"""What a shopper was shown several times and never clicked steps back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reco_plugin.types import Candidate, Key


def rounds(
    candidates: Sequence[Candidate], shown: Mapping[Key, int], after: int
) -> list[list[Candidate]]:
    """`candidates` in order, in rounds: those shown fewer than `after` times, then those shown fewer
    than twice as often, and so on. Everything has its turn again once the rest has had as many.

    One round when `after` is 0. `shown` counts showings without a click.
    """
    if after <= 0 or not shown:
        return [list(candidates)]
    turns: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        turns.setdefault(max(0, shown.get(candidate.key, 0)) // after, []).append(candidate)
    return [turns[turn] for turn in sorted(turns)]
