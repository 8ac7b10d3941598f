"""The protocols, as the product has them."""

from __future__ import annotations

from reco_plugin.evaluation.protocols import Protocol, protocols, split, visits

__all__ = ["Protocol", "protocols", "split", "visits"]
