"""Peers of `implicit`, where it is installed."""

from __future__ import annotations

from benchmarks.accuracy.peers.base import Peer
from reco_plugin.evaluation.peers.implicits import installed, models, threads

__all__ = ["installed", "peers", "threads"]


def peers() -> list[Peer]:
    return models() if installed() else []
