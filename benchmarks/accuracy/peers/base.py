"""What a peer is: any model under comparison that is not ours."""

from __future__ import annotations

from reco_plugin.evaluation.contract import Lists, Rank, Rows, Score, ranked
from reco_plugin.evaluation.contract import Model as Peer

__all__ = ["Lists", "Peer", "Rank", "Rows", "Score", "ranked"]
