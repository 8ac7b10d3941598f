"""Learn a blend in a process of its own: a crash, a leak or a kill in it cannot reach the caller."""

from __future__ import annotations

from pathlib import Path

from scipy import sparse

from reco_plugin.children.obituary import Advice
from reco_plugin.children.process import Process, workplace
from reco_plugin.exceptions import ArtefactCorrupt, TrainingFailed
from reco_plugin.ranking import child, exchange
from reco_plugin.ranking.exchange import Asked
from reco_plugin.ranking.served import Learnt, Settings
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.histories import Histories
from reco_plugin.types import Features

PREFIX = "blend-"
ADVICE = Advice(
    process="process that learns the blend",
    memory_setting="RECO_TRAIN_MEMORY_MB",
    less="learn from a shorter window (RECO_WINDOW_DAYS)",
    time="Raise RECO_TRAIN_TIMEOUT, or learn from a shorter window (RECO_WINDOW_DAYS).",
    again="Start the job blend again.",
    crash="Learn with one thread (RECO_TRAIN_THREADS) to find out which.",
    illegal="NumPy or SciPy was compiled for another CPU. Install them anew for this one.",
)


def run(
    whole: Histories,
    moment: int,
    *,
    features: Features | None,
    worth: sparse.csr_matrix | None = None,
    settings: Settings,
    timeout: float | None = None,
    memory_mb: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Learnt:
    """`served.learn` in a fresh process. `timeout` in seconds and `memory_mb` are unlimited when 0 or None.

    Raises NotEnoughData, and TrainingFailed, which says in plain words how the process died.
    """
    with workplace(folder, PREFIX) as place:
        digest = exchange.save_asked(
            place / child.ASKED,
            Asked(whole=whole, moment=moment, features=features, worth=worth, settings=settings),
        )
        job = {
            "do": child.DO,
            "threads": max(settings.threads, 1),
            "memory_mb": memory_mb,
            "sha256": digest,
        }
        with Process(place, job, advice=ADVICE, failure=TrainingFailed) as process:
            digest = _followed(process, timeout, progress)
        try:
            return exchange.load_learnt(place / child.LEARNT, digest)
        except ArtefactCorrupt as error:
            raise TrainingFailed(f"The process left no usable blend: {error}") from error


def _followed(process: Process, timeout: float | None, progress: Progress | None) -> str:
    """Relay progress until the end; returns the checksum of the result."""
    digest = ""
    for message in process.messages(timeout or None):
        digest = message.get("result", digest)
        if progress and "stage" in message:
            progress(message["stage"], message["done"], message["total"])
    return digest
