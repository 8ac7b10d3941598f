"""How much memory this machine has left."""

from __future__ import annotations

import re
from pathlib import Path


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
