"""Another process that reads the live run all the while."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.crash.found import Found

COUNT = 20


@contextlib.contextmanager
def reading(folder: Path, found: Found) -> Iterator[None]:
    """What it saw is in `found.reads` at the end."""
    from django.db import connections

    stop, told = folder / "stop", folder / "reads.json"
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            told.write_text(json.dumps(_read(stop.exists)))
        os._exit(0)
    try:
        yield
    finally:
        stop.touch()
        os.waitpid(pid, 0)
        found.reads = json.loads(told.read_text()) if told.exists() else {"failed": 1}


def _read(is_over: Callable[[], bool]) -> dict[str, int]:
    told = {"read": 0, "failed": 0}
    while not is_over():
        told["read"] += 1
        told["failed"] += not _is_served()
        time.sleep(0.02)
    return told


def _is_served() -> bool:
    import numpy as np

    from reco_plugin import backends
    from reco_plugin.jobs.publish import active_run, handle

    run = active_run(1, "personal")
    try:
        assert run is not None
        query = np.ones(run.store_state["dimension"], np.float32)
        return len(backends.store(run.store).nearest(handle(run), query, COUNT)) == COUNT
    except Exception:  # noqa: BLE001 - counted, whatever it is
        return False
