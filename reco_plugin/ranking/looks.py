"""What completes a look: of another category than what it stands beside, and a match to the eye.

That two products match is not that they look the same: most of what sets the picture of a shoe apart from
that of a shirt is that it is a shoe. So products are compared with others of their own category: which of
the trousers that are bought with this shirt look most like belonging to it. Their rank among those and the
rank by what is bought count the same (reciprocal rank fusion, see `retrieval.fusion`). McAuley et al.,
"Image-based recommendations on styles and substitutes" (SIGIR 2015), learn such a measure from co-purchases;
without having learnt any, the cosine of the vectors of pictures has to do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from reco_plugin.ranking import fields
from reco_plugin.ranking.guards import Guards
from reco_plugin.types import Candidate, Floats, ItemFacts, Key

SMOOTHING = 10.0
"""As in `retrieval.fusion`."""
WEARER = ("gender", "age_group")
"""Facts in which all of a look agree: one person wears it."""
TIE = 1e-6
"""Cosines that differ by less are the same."""
CLASH = 1.0
"""Standard deviations below the mean of its category from which a product does not match."""


def completing(
    candidates: Sequence[Candidate],
    beside: Sequence[Key],
    facts: Mapping[Key, ItemFacts],
    looks: Mapping[Key, Floats],
) -> list[Candidate]:
    """Those of `candidates` that complete the look of the product their reason names, best first.

    `beside` are the products of the page or the cart, `looks` unit vectors (d,) of pictures. What shares a
    category with any of `beside`, is for somebody else than that product, has no picture, or stands out
    against others of its category is left out.
    """
    lines = {str(key): key for key in beside}
    guards = {key: Guards(facts.get(key), WEARER) for key in beside}
    held = frozenset[str]().union(*(fields.echoes(facts.get(key), "category") for key in beside))
    fitting: dict[Key, float] = {}
    for one in candidates:
        line, about = lines.get(one.reason.partition(":")[2]), facts.get(one.key)
        if line is None or line not in looks or one.key not in looks:
            continue
        if not guards[line].broken(about) and not fields.echoes(about, "category") & held:
            fitting[one.key] = float(looks[line] @ looks[one.key])
    ranks = _ranks(fitting, facts)
    left = [one for one in candidates if one.key in ranks]
    scored = [
        replace(one, score=_fused(place, ranks[one.key])) for place, one in enumerate(left, start=1)
    ]
    return sorted(scored, key=lambda one: -one.score)


def _ranks(fitting: Mapping[Key, float], facts: Mapping[Key, ItemFacts]) -> dict[Key, int]:
    """The place of each within its category, 1 for the best match; those that clash have none.

    How far products of one category lie apart is taken from all categories together: one has few.
    """
    groups: dict[frozenset[str], list[Key]] = {}
    for key in fitting:
        groups.setdefault(fields.said(facts.get(key), "category"), []).append(key)
    means = {
        which: float(np.mean([fitting[key] for key in keys])) for which, keys in groups.items()
    }
    apart = [fitting[key] - means[which] for which, keys in groups.items() for key in keys]
    freedom = max(1, len(fitting) - len(groups))
    room = CLASH * math.sqrt(sum(each * each for each in apart) / freedom) + TIE
    ranks: dict[Key, int] = {}
    for which, keys in groups.items():
        matching = [key for key in keys if fitting[key] >= means[which] - room]
        ordered = sorted(matching, key=lambda key: -fitting[key])
        ranks |= {key: place for place, key in enumerate(ordered, start=1)}
    return ranks


def _fused(bought: int, seen: int) -> float:
    """1 for the first of both."""
    return (SMOOTHING + 1) / 2 * (1 / (SMOOTHING + bought) + 1 / (SMOOTHING + seen))
