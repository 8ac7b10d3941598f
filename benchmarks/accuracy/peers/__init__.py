"""The peers, written as plainly as a sceptic would: none of them uses a line of the product's own trainers.

Each is built from what may be learnt from, over a small grid of settings; the one that does best on the
same inner cut the pipeline is tuned on is then built again from all that may be learnt from. `implicit` joins
where it is installed.
"""

from __future__ import annotations

from benchmarks.accuracy.peers import carts, engines, newborn, shoppers, visits
from benchmarks.accuracy.peers.base import Lists, Peer, Rank
from benchmarks.accuracy.protocols import Protocol
from reco_plugin.ranking.folds import Fold
from reco_plugin.types import Features

__all__ = ["Lists", "Peer", "Rank", "of"]

DENSE_ITEMS = 16_000
"""Largest catalogue of which a dense item matrix is made (1 GB); peers that need one stay away above."""


def of(
    protocol: Protocol, fold: Fold, *, external: bool, features: Features | None = None
) -> list[Peer]:
    """Peers that can answer this protocol on a log of this size."""
    small = fold.train.n_items <= DENSE_ITEMS
    if protocol.sessions:
        found = visits.peers()
    elif protocol.name == "cart":
        found = carts.peers(small)
    elif protocol.needs_features:
        assert features is not None
        return newborn.peers(features, external=external)
    else:
        found = shoppers.peers(small) + (shoppers.again(small) if protocol.repeats else [])
    if external and not protocol.sessions and protocol.name != "cart":
        found += engines.peers()
    return found
