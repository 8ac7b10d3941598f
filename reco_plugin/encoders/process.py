"""An encoder in a process of its own, as a job holds it: pictures go in as bytes, vectors come out.

A crash, a leak or a kill in it cannot reach the worker, and the worker never loads torch.
"""

from __future__ import annotations

import contextlib
import threading
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
from reco_plugin.exceptions import EncoderUnavailable, TrainingFailed

PREFIX = "encode-"
START_SECONDS = 300.0
"""Until it has to be ready: reading torch from a cold disk takes a while."""
SILENT_SECONDS = 900.0
"""Without a word after which it is thought to hang."""
PATIENCE = 5.0
"""Seconds that a storage which does not answer is waited for, once nobody wants its answer."""
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
        self._stack = contextlib.ExitStack()
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
        self._stack.close()

    @property
    def peak_mib(self) -> int | None:
        """Most memory it was seen to have resident (Linux)."""
        return self._process.peak_mib

    def encode(self, pictures: Iterable[tuple[int, bytes | Refused]]) -> Iterator[Answer]:
        """Vectors and refusals of all `pictures`, in whatever order, as they come.

        `pictures` is read in a thread, no further ahead than pipes and the decoders' room allow; what is
        refused in it comes out as it is, in the order in which it is met. Raises what `pictures`
        raises, and EncoderUnavailable when the process died. One share at a time.
        """
        feeder = _Feeder(self._process, pictures)
        feeder.start()
        try:
            while "share" not in (message := self._process.hear(SILENT_SECONDS)):
                yield from feeder.unread()
                if answer := _answer(message):
                    yield answer
            feeder.join()
            yield from feeder.unread()
        except BaseException:
            self.close()  # what it still works at is nobody's
            feeder.join(PATIENCE)
            if feeder.error is not None:
                raise feeder.error from None
            raise
        if feeder.error is not None:
            raise feeder.error


class _Gone(Exception):
    """Nobody takes pictures any more: whoever listens to the process knows why."""


class _Feeder(threading.Thread):
    """Hands pictures to the process: both sides of a pipe that is full would wait for each other otherwise."""

    def __init__(self, process: Process, pictures: Iterable[tuple[int, bytes | Refused]]) -> None:
        super().__init__(name="feeder", daemon=True)
        self._process, self._pictures = process, pictures
        self._refused: list[tuple[int, Refused]] = []
        self._lock = threading.Lock()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for number, data in self._pictures:
                if isinstance(data, Refused):
                    with self._lock:
                        self._refused.append((number, data))
                else:
                    self._hand_over(number, data)
        except _Gone:
            return
        except BaseException as error:  # noqa: BLE001 - raised where the answers are taken
            self.error = error
        with contextlib.suppress(_Gone):
            self._hand_over()

    def _hand_over(self, number: int | None = None, data: bytes = b"") -> None:
        """One picture, or the end of the share."""
        try:
            if number is None:
                packing.end_share(self._process.stdin)
            else:
                packing.send(self._process.stdin, number, data)
        except (OSError, ValueError) as error:  # it died, or was closed
            raise _Gone from error

    def unread(self) -> Iterator[list[tuple[int, Refused]]]:
        """What was refused before it reached the process, and was not told yet."""
        with self._lock:
            refused, self._refused = self._refused, []
        if refused:
            yield refused


def _answer(message: dict[str, Any]) -> Answer | None:
    if "refused" in message:
        return packing.unpack_refused(message["refused"])
    if "seen" in message:
        return message["seen"], packing.unpack_vectors(message)
    return None


# --- learning -------------------------------------------------------------------------------------


def train(
    job: dict[str, Any],
    *,
    folder: str | Path | None,
    timeout: float | None,
    memory_mb: int,
    progress: Told,
) -> dict[str, Any]:
    """Teach a network what lies in job["lesson"]; see `child.train` for the job and what comes back.

    Raises EncoderUnavailable, ValueError for a wrong config, and TrainingFailed, which says how it died.
    """
    told = {"do": child.TRAIN, **job, "memory_mb": memory_mb}
    with (
        workplace(folder, PREFIX) as place,
        Process(place, told, advice=TRAINING, failure=TrainingFailed) as process,
    ):
        result: dict[str, Any] = {}
        for message in process.messages(timeout):
            if "stage" in message:
                progress(message["stage"], message["done"], message["total"])
            result = message.get("result", result)
    return result
