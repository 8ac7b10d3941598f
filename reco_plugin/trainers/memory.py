"""How much memory a training takes, worked out before it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reco_plugin.exceptions import TrainingFailed
from reco_plugin.types import Dataset

DIMENSIONS = 64
"""Of the built-in trainer, unless its configuration says otherwise."""
COPIES = 4
"""LightFM keeps a vector, its squared gradients and its momentum; early stopping keeps the best."""
PAIR_BYTES = 48
"""An interaction as it is read, held, weighed and shuffled."""
FEATURE_BYTES = 16


def of_dataset(dataset: Dataset, config: Mapping[str, Any] | None = None) -> int:
    """MiB that training on `dataset` takes beyond the loaded libraries, within about a third."""
    shoppers, items = dataset.interactions.shape
    held = [side for side in (dataset.item_features, dataset.shopper_features) if side is not None]
    return estimated_mib(
        shoppers=shoppers,
        items=items,
        pairs=int(dataset.interactions.nnz),
        features=sum(int(side.matrix.nnz) for side in held),
        dimensions=int((config or {}).get("dimensions", DIMENSIONS)),
    )


def estimated_mib(*, shoppers: int, items: int, pairs: int, features: int, dimensions: int) -> int:
    """MiB for that many shoppers, items, interactions, and entries of side features."""
    rows = (shoppers + items) * (dimensions + 1) * 4
    total = COPIES * rows + rows + pairs * PAIR_BYTES + features * FEATURE_BYTES
    return -(-total // 2**20)


def demand(dataset: Dataset, config: Mapping[str, Any] | None, memory_mb: int) -> None:
    """Raise TrainingFailed, before anything is started, for a training that `memory_mb` cannot hold."""
    need = of_dataset(dataset, config)
    if 0 < memory_mb < need:
        raise TrainingFailed(
            f"Training on {dataset.interactions.shape[0]:,} shoppers and "
            f"{dataset.interactions.shape[1]:,} products takes about {need:,} MiB, more than the "
            f"{memory_mb:,} MiB of RECO_TRAIN_MEMORY_MB. Raise it, lower dimensions, or learn from a "
            "shorter window (RECO_WINDOW_DAYS)."
        )


def free_mib() -> int | None:
    """MiB this machine (or its container) could still give, where the system tells (Linux)."""
    try:
        told = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    except OSError:
        return None
    free = int(told[1]) // 1024 if told else None
    limit = _container_mib()
    return min(filter(None, (free, limit)), default=None)


def _container_mib() -> int | None:
    """What a control group leaves, where there is one with a limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        most = (folder / "memory.max").read_text().strip()
        used = (folder / "memory.current").read_text().strip()
    except OSError:
        return None
    return (int(most) - int(used)) // 2**20 if most.isdigit() else None
