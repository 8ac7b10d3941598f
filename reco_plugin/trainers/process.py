"""Train in a process of its own: a crash, a leak or a kill in it cannot reach the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reco_plugin.children.obituary import Advice
from reco_plugin.children.process import Process, workplace
from reco_plugin.exceptions import ArtefactCorrupt, TrainingFailed
from reco_plugin.trainers import child, packing, registry
from reco_plugin.trainers.base import Learnt, Progress
from reco_plugin.types import Dataset

PREFIX = "train-"
ADVICE = Advice(
    process="training process",
    memory_setting="RECO_TRAIN_MEMORY_MB",
    less="lower dimensions, or learn from a shorter window (RECO_WINDOW_DAYS)",
    time="Raise RECO_TRAIN_TIMEOUT, or train fewer epochs or dimensions.",
    again="Start the training again.",
    crash="Train with one thread to find out which.",
    illegal="the installed lightfm was compiled for another CPU. Build it for this one: LIGHTFM_NO_CFLAGS=1 "
    "pip install --no-binary lightfm-next --force-reinstall lightfm-next",
)


def run(
    trainer: str,
    config: Mapping[str, Any] | None,
    dataset: Dataset,
    *,
    seed: int = 0,
    threads: int = 1,
    timeout: float | None = None,
    memory_mb: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    peak: Callable[[int], None] | None = None,
) -> Learnt:
    """Train `trainer` (a name or dotted path) in a fresh process and hand back what it learnt.

    `timeout` in seconds and `memory_mb` (beyond the loaded libraries) are unlimited when 0 or None. The files of
    the exchange live in a folder of their own below `folder` (the system's temporary one by default)
    and are gone when this returns or raises; the process is too. `progress` hears 'load' and 'train',
    `peak` the most memory the process was seen to have resident (MiB), where the system tells.

    Raises ValueError for an unknown trainer or hyper-parameter, NotEnoughData, and TrainingFailed,
    which says in plain words how the process died.
    """
    registry.get(trainer)(config)
    registry.demand_installed(trainer)
    with workplace(folder, PREFIX) as place:
        job = {
            "do": child.DO,
            "trainer": trainer,
            "config": dict(config or {}),
            "seed": seed,
            "threads": max(threads, 1),
            "memory_mb": memory_mb,
            "sha256": packing.save_dataset(place / child.DATASET, dataset),
        }
        with Process(place, job, advice=ADVICE, failure=TrainingFailed) as process:
            digest = _followed(process, timeout, progress)
            if peak is not None and process.peak_mib is not None:
                peak(process.peak_mib)
        return _result(place / child.RESULT, digest)


def _followed(process: Process, timeout: float | None, progress: Progress | None) -> str:
    """Relay progress until the end; returns the checksum of the result."""
    digest = ""
    for message in process.messages(timeout or None):
        digest = message.get("result", digest)
        if progress and "stage" in message:
            progress(message["stage"], message["done"], message["total"])
    return digest


def _result(path: Path, digest: str) -> Learnt:
    try:
        return packing.load_learnt(path, digest)
    except ArtefactCorrupt as error:
        raise TrainingFailed(f"The training process left no usable result: {error}") from error
