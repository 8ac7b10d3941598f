"""Pictures opened in processes of their own: a killer file costs itself and nothing else.

Each worker is one thread here and one process there (`opening.Opener`), which is handed a few pictures at
a time and answers one by one. When it dies or is late, the picture it had in hand is refused (Fault.KILLER),
a new one takes its place, and the rest of the batch goes there.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

from reco_plugin.encoders.base import Fault, Limits, Pixels, Refused
from reco_plugin.encoders.decoding import by_size
from reco_plugin.encoders.opening import Died, Opener

Id = TypeVar("Id")
Found: TypeAlias = Pixels | Refused

_Answers: TypeAlias = "queue.SimpleQueue[tuple[Any, Any, int] | BaseException]"
"""(key, found, bytes of the picture), or why there is none."""
_Tasks: TypeAlias = "queue.SimpleQueue[_Batch | None]"

BATCH = 16
"""Pictures handed over at a time; fewer where they are large."""
BATCH_BYTES = 2**20
AHEAD = 8
"""Batches per worker that are handed over before their pixels are asked for."""
AHEAD_BYTES = 64 * 2**20
"""Of pictures that may be in the pool at a time."""


class DecoderPool:
    """`workers` processes that turn the bytes of pictures into uint8 (size, size, 3).

        with DecoderPool(2, Limits(), 64) as pool:
            for key, pixels in pool.map((key, read(key)) for key in keys):

    Use it as a context manager: leaving it ends the processes. They are started when there is work.
    """

    def __init__(self, workers: int, limits: Limits, size: int) -> None:
        self._limits = limits
        self._tasks: _Tasks = queue.SimpleQueue()
        self._workers = [_Worker(limits, size, self._tasks) for _ in range(max(1, workers))]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def map(self, pictures: Iterable[tuple[Id, bytes | Refused]]) -> Iterator[tuple[Id, Found]]:
        """Every picture once, under its id, in the order in which they are open.

        `pictures` is read in the caller's thread, while results are asked for and a few batches ahead of
        them, so memory is bounded; what is refused in it already comes out as it is. Raises
        EncoderUnavailable when no process starts, and what `pictures` raises.
        """
        flight = _Flight[Id](AHEAD * BATCH * len(self._workers), self._limits)
        for worker in self._workers:
            worker.start()
        for batch in flight.batches(pictures):
            self._tasks.put(batch)
            while flight.is_full():
                yield flight.landed()
        while flight.pictures:
            yield flight.landed()

    def close(self) -> None:
        """End all processes; what is in the pool is dropped."""
        for worker in self._workers:
            worker.stop()
        for _ in self._workers:
            self._tasks.put(None)
        for worker in self._workers:
            worker.join()


class _Batch:
    """Some pictures, what is left of them, and where the answers go."""

    def __init__(self, pictures: Sequence[tuple[Any, bytes]], answers: _Answers) -> None:
        self._keys = deque(key for key, _ in pictures)
        self.left = deque(data for _, data in pictures)
        self._answers = answers

    def tell(self, found: Found) -> None:
        """The answer to the first of those that are left."""
        self._answers.put((self._keys.popleft(), found, len(self.left.popleft())))

    def fail(self, error: BaseException) -> None:
        self._answers.put(error)


class _Flight(Generic[Id]):
    """What one `map` has in the pool."""

    def __init__(self, most: int, limits: Limits) -> None:
        self.pictures = 0
        self._bytes = 0
        self._most, self._limits = most, limits
        self._answers: _Answers = queue.SimpleQueue()

    def is_full(self) -> bool:
        return self.pictures >= self._most or self._bytes >= AHEAD_BYTES

    def batches(self, pictures: Iterable[tuple[Id, bytes | Refused]]) -> Iterator[_Batch]:
        """Those that may be opened, a few at a time; the others are answered here."""
        batch: list[tuple[Id, bytes]] = []
        for key, data in pictures:
            self.pictures += 1
            if isinstance(data, Refused):
                self._answers.put((key, data, 0))
            elif refused := by_size(data, self._limits):
                self._answers.put((key, refused, 0))
            else:
                self._bytes += len(data)
                batch.append((key, data))
            if self._is_enough(batch):
                yield _Batch(batch, self._answers)
                batch = []
        yield _Batch(batch, self._answers)

    def _is_enough(self, batch: list[tuple[Id, bytes]]) -> bool:
        size = sum(len(data) for _, data in batch)
        return len(batch) >= BATCH or size >= BATCH_BYTES or self.is_full()

    def landed(self) -> tuple[Id, Found]:
        """The next answer. Raises what kept a worker from giving one."""
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        key, found, size = answer
        self.pictures -= 1
        self._bytes -= size
        return key, found


class _Worker:
    """One thread here, one process there."""

    def __init__(self, limits: Limits, size: int, tasks: _Tasks) -> None:
        self._limits, self._size, self._tasks = limits, size, tasks
        self._thread: threading.Thread | None = None
        self._opener: Opener | None = None
        self._stopped = False

    def start(self) -> None:
        if self._stopped:
            raise RuntimeError("This pool is closed: make a new one.")
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="opener", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """From any thread: it does nothing more."""
        self._stopped = True
        if opener := self._opener:
            opener.kill()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while (batch := self._tasks.get()) is not None and not self._stopped:
            try:
                self._open(batch)
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                self._end()
                batch.fail(error)
        self._end()

    def _open(self, batch: _Batch) -> None:
        """With as many processes as it takes."""
        while batch.left:
            opener = self._ready()
            try:
                opener.send(batch.left)
                while batch.left:
                    batch.tell(opener.receive())
            except Died as death:
                self._end()
                if self._stopped:
                    return
                batch.tell(Refused(fault=Fault.KILLER, words=str(death)))

    def _ready(self) -> Opener:
        if self._opener is not None and self._opener.is_alive():
            return self._opener
        self._end()
        self._opener = Opener(self._limits, self._size)
        if self._stopped:
            self._opener.kill()
        self._opener.greet()
        return self._opener

    def _end(self) -> None:
        if self._opener is not None:
            self._opener.end()
            self._opener = None
