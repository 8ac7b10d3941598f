"""May a blend be served? Only where it is better than what is served without it, on a time it had not seen."""

from __future__ import annotations

from reco_plugin.jobs.gates import Gate
from reco_plugin.metrics.intervals import Estimate

FEWEST = 50
"""Shoppers to compare, below which a difference would be an accident."""
PRODUCTS = 2
"""Different products that make a shopper somebody to learn from."""
UNMEASURED = Gate(name="blend", passed=None, words="not measured: no evaluation was asked for")
SURE = 0.9
"""Of the interval whose lower end must not lie below zero."""


def better(ours: float, theirs: float, apart: Estimate) -> Gate:
    """Paired over the hold-out shoppers: NDCG@10 by the blend minus NDCG@10 by fixed weights, with its
    bootstrap interval."""
    if apart.n < FEWEST:
        return Gate(
            name="blend",
            passed=False,
            words=f"{apart.n:,} shoppers with a past did something new in the newest fifth of the log "
            f"(needs {FEWEST:,}): too few to tell whether the blend is better",
            value=apart.n,
            limit=FEWEST,
        )
    return Gate(
        name="blend",
        passed=apart.low >= 0 and apart.mean > 0,
        words=f"NDCG@10 {ours:.4f} by the blend beside {theirs:.4f} by fixed weights over {apart.n:,} "
        f"hold-out shoppers: {apart.mean:+.4f}, {SURE:.0%} sure to lie in {apart.low:+.4f} … "
        f"{apart.high:+.4f} (its lower end must not lie below 0)",
        value=apart.low,
        limit=0.0,
    )
