"""What a training process does: dataset.npz in, result.npz out, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reco_plugin.children import life
from reco_plugin.children.voice import Voice
from reco_plugin.trainers import packing, registry

DO = "reco_plugin.trainers.child.train"
DATASET = "dataset.npz"
RESULT = "result.npz"


def train(folder: Path, job: dict[str, Any], voice: Voice) -> str:
    """The checksum of the result."""
    life.limit_memory(job["memory_mb"])
    voice.progress("load", 0, 1)
    dataset = packing.load_dataset(folder / DATASET, job["sha256"])
    voice.progress("load", 1, 1)
    trainer = registry.get(job["trainer"])(job["config"])
    learnt = trainer.fit(dataset, seed=job["seed"], threads=job["threads"], progress=voice.progress)
    return packing.save_learnt(folder / RESULT, learnt)
