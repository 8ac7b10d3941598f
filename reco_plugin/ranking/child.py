"""What the process that learns a blend does: asked.npz in, learnt.npz out, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reco_plugin.children import life
from reco_plugin.children.voice import Voice
from reco_plugin.ranking import exchange, served

DO = "reco_plugin.ranking.child.learn"
ASKED = "asked.npz"
LEARNT = "learnt.npz"


def learn(folder: Path, job: dict[str, Any], voice: Voice) -> str:
    """The checksum of the result."""
    life.limit_memory(job["memory_mb"])
    voice.progress("learn", 0, 1)
    asked = exchange.load_asked(folder / ASKED, job["sha256"])
    learnt = served.learn(
        asked.whole,
        asked.moment,
        features=asked.features,
        worth=asked.worth,
        settings=asked.settings,
    )
    voice.progress("learn", 1, 1)
    return exchange.save_learnt(folder / LEARNT, learnt)
