"""An encoder in a process of its own, as a job holds it: pictures go in as bytes, vectors come out.

A crash, a leak or a kill in it cannot reach the worker, and the worker never loads torch.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from reco_plugin.children.obituary import Advice
from reco_plugin.children.process import Process, workplace
from reco_plugin.encoders import child, packing
from reco_plugin.encoders.base import Limits, Refused
from reco_plugin.encoders.registry import Told
from reco_plugin.encoders.teaching import Task
from reco_plugin.exceptions import EncoderUnavailable, TrainingFailed

PREFIX = "encode-"
START_SECONDS = 300.0
"""Until it has to be ready: reading torch from a cold disk takes a while."""
SILENT_SECONDS = 900.0
"""Without a word after which it is thought to hang."""
TICK = 0.25
ADVICE = Advice(
    process="encoder process",
    memory_setting="RECO_TRAIN_MEMORY_MB",
    less="choose a smaller network (RECO_ENCODER) or smaller pictures (RECO_ENCODER_CONFIG)",
    time="It hangs, or this machine is too slow for this network: choose a smaller one (RECO_ENCODER).",
    again="Start the job again: what was encoded is kept.",
    illegal="the installed torch was compiled for another CPU. Install one for this machine",
)
TRAINING = Advice(
    process="training process",
    memory_setting="RECO_TRAIN_MEMORY_MB",
    less="choose a smaller network (RECO_ENCODER) or smaller pictures and batches (RECO_ENCODER_CONFIG)",
    time="Raise RECO_TRAIN_TIMEOUT, or train fewer epochs (RECO_ENCODER_CONFIG).",
    again="Start the training again: it goes on where it was.",
    illegal=ADVICE.illegal,
)

Batch: TypeAlias = tuple[list[int], npt.NDArray[np.float16]]
"""Numbers of pictures and their vectors (n, dimension), rows of length 1."""
Answer: TypeAlias = Batch | list[tuple[int, Refused]]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Which encoder, and what it may use."""

    encoder: str
    """As RECO_ENCODER."""
    weights: Path
    sha256: str
    device: str = "auto"
    threads: int = 1
    decoders: int = 1
    """Processes that open pictures."""
    batch: int = 64
    limits: Limits = field(default_factory=Limits)

    def as_job(self) -> dict[str, Any]:
        told = {**asdict(self), "weights": str(self.weights.absolute())}
        return {"do": child.ENCODE, **told}


class EncoderProcess:
    """Looks at shares of pictures, one after another. A context manager that leaves no process behind.

    Raises EncoderUnavailable: at once where it does not start, later when it dies.
    """

    def __init__(self, spec: Spec, folder: str | Path | None = None) -> None:
        self.spec = spec
        self.is_closed = self._is_answered = False
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(workplace(folder, PREFIX))
            started = Process(
                place,
                spec.as_job(),
                advice=ADVICE,
                failure=EncoderUnavailable,
                is_spoken_to=True,
            )
            self._process = stack.enter_context(started)
            ready = self._process.hear(START_SECONDS)
            os.set_blocking(self._process.stdin.fileno(), False)
            self.dimension = int(ready["dimension"])
            self.fingerprint = str(ready["fingerprint"])
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it. Twice is no error."""
        self.is_closed = True
        self._stack.close()

    @property
    def peak_mib(self) -> int | None:
        """Most memory it was seen to have resident (Linux)."""
        return self._process.peak_mib

    def encode(self, pictures: Iterable[tuple[int, bytes | Refused]]) -> Iterator[Answer]:
        """Vectors and refusals of all `pictures`, in whatever order, as they come.

        `pictures` is read in the caller's thread, no further ahead than pipes and the decoders' room allow; what is
        refused in it comes out as it is. What it raises is raised when all before it was answered. Raises
        EncoderUnavailable when the process died or fell silent; it is closed then, and also
        when not all answers are taken.
        """
        is_done, given = False, _Given(pictures)
        self._is_answered = False
        try:
            for number, data in given:
                if isinstance(data, Refused):
                    yield [(number, data)]
                else:
                    yield from self._send(packing.packed(number, data))
            yield from self._send(packing.END_OF_SHARE)
            while not self._is_answered:
                yield from self._told(self._process.hear(SILENT_SECONDS))
            is_done = True
        finally:
            if not is_done:
                self.close()
        if given.error is not None:
            raise given.error

    def _send(self, data: bytes) -> Iterator[Answer]:
        """Write without ever waiting for a process that waits for us; yields what it says meanwhile."""
        pipe = self._process.stdin.fileno()
        left = memoryview(data)
        heard = time.monotonic()
        while left:
            try:
                left = left[os.write(pipe, left) :]
            except BlockingIOError:
                select.select([], [pipe], [], TICK)
            except BrokenPipeError:
                # until it says of what it died
                yield from self._told(self._process.hear(START_SECONDS))
            for message in self._process.news():
                heard = time.monotonic()
                yield from self._told(message)
            if time.monotonic() - heard > SILENT_SECONDS:
                raise self._process.late(SILENT_SECONDS)

    def _told(self, message: dict[str, Any]) -> Iterator[Answer]:
        """What a message says. The end of a share may be told as soon as we have asked for it."""
        self._is_answered = self._is_answered or "share" in message
        if "refused" in message:
            yield packing.unpack_refused(message["refused"])
        if "seen" in message:
            yield message["seen"], packing.unpack_vectors(message)


class _Given:
    """Pictures until there are no more, or until whoever reads them raises: what, is kept."""

    def __init__(self, pictures: Iterable[tuple[int, bytes | Refused]]) -> None:
        self._pictures = pictures
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[tuple[int, bytes | Refused]]:
        try:
            yield from self._pictures
        except Exception as error:  # noqa: BLE001 - raised when all before it was answered
            self.error = error


def train(
    task: Task,
    *,
    folder: str | Path | None,
    timeout: float | None,
    memory_mb: int,
    progress: Told,
) -> dict[str, Any]:
    """Teach a network in a fresh process; what comes back is told at `teaching.train`.

    Raises EncoderUnavailable, NotEnoughData, ValueError for a wrong config, and TrainingFailed, which says
    how it died.
    """
    job = {**task.as_job(), "memory_mb": memory_mb}
    with (
        workplace(folder, PREFIX) as place,
        Process(place, job, advice=TRAINING, failure=TrainingFailed) as process,
    ):
        result: dict[str, Any] = {}
        for message in process.messages(timeout):
            if "stage" in message:
                progress(message["stage"], message["done"], message["total"])
            result = message.get("result", result)
    return result
