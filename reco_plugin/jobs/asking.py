"""Many pictures asked for at once, of storages that may hang, fail or be slow.

A storage that does not answer keeps the thread that asked it, not the job: the thread is left behind and
another takes its place. A storage that fails again and again is not asked any more by this job.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

from django.db import connections

from reco_plugin.catalog.fetching import NoPicture
from reco_plugin.catalog.pictures import Source
from reco_plugin.encoders.base import Fault, Refused

THREADS = 8
SECONDS = 20.0
"""A storage may take for one picture."""
AHEAD = 2 * THREADS
"""Pictures asked for before anyone wants them."""
MOST_TROUBLE = 20
"""Failures of one place in a row before it is left alone."""
HANGING = 4
"""Failures that hanging counts for, since it costs a thread."""
_TICK = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A picture to look at."""

    key: Any
    source: Source
    known: str = ""
    """The marker of what is known already; '' to read it anyhow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What was found."""

    marker: str = ""
    data: bytes | None = None
    """None where the marker is the known one, or nothing could be read."""
    digest: str = ""
    """SHA-256 of the bytes."""
    refused: Refused | None = None

    @property
    def sign(self) -> str:
        """The marker, or, where the storage gives none, one made of the bytes."""
        return self.marker or (f"#{self.digest}" if self.digest else "")

    @property
    def is_same(self) -> bool:
        return self.data is None and self.refused is None


class Asking:
    """Threads that ask storages. A context manager: what is under way at its end is left behind."""

    def __init__(self, *, max_bytes: int, hosts: Iterable[str]) -> None:
        self._max_bytes, self._hosts = max_bytes, tuple(hosts)
        self._tasks: _Tasks = queue.SimpleQueue()
        self._answers: _Answers = queue.SimpleQueue()
        self._askers: list[_Asker] = []
        self._trouble: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for asker in self._askers:
            asker.is_left = True
            self._tasks.put(None)
        self._askers.clear()

    def all(self, looks: Iterable[Look]) -> Iterator[tuple[Look, Seen]]:
        """Each once, in the order of the answers; a few are asked for ahead of whoever listens."""
        waiting = 0
        for look in looks:
            if self._trouble[look.source.place] >= MOST_TROUBLE:
                yield look, _spared()
                continue
            self._ask(look)
            waiting += 1
            if waiting >= AHEAD:
                yield self._answer()
                waiting -= 1
        for _ in range(waiting):
            yield self._answer()

    def _ask(self, look: Look) -> None:
        if len(self._askers) < THREADS:
            self._askers.append(self._asker())
        self._tasks.put(look)

    def _asker(self) -> _Asker:
        return _Asker(self._tasks, self._answers, self._see)

    def _answer(self) -> tuple[Look, Seen]:
        """The next one, be it that somebody hangs."""
        found: tuple[Look, Seen] | None = None
        while found is None:
            try:
                found = self._answers.get(timeout=_TICK)
            except queue.Empty:
                found = self._hanging()
        look, seen = found
        if seen.refused is not None and seen.refused.fault == Fault.STORAGE:
            self._trouble[look.source.place] += 1
        else:
            self._trouble.pop(look.source.place, None)
        return found

    def _hanging(self) -> tuple[Look, Seen] | None:
        """What somebody has been asking for too long; another takes that place."""
        late = time.monotonic() - SECONDS
        for at, asker in enumerate(self._askers):
            look = asker.left_behind(late)
            if look is not None:
                self._askers[at] = self._asker()
                self._trouble[look.source.place] += HANGING - 1
                words = f"The storage did not answer within {SECONDS:g} s."
                return look, Seen(refused=Refused(fault=Fault.STORAGE, words=words))
        return None

    def _see(self, look: Look) -> Seen:
        marker = ""
        try:
            marker = look.source.marker()
            if marker and marker == look.known:
                return Seen(marker=marker)
            data = look.source.read(self._max_bytes, self._hosts)
        except NoPicture as error:
            refused = Refused(fault=Fault(error.trouble), words=error.words)
            return Seen(marker=marker, refused=refused)
        return Seen(marker=marker, data=data, digest=hashlib.sha256(data).hexdigest())


def _spared() -> Seen:
    words = "The storage failed so often that it was left alone this time."
    return Seen(refused=Refused(fault=Fault.STORAGE, words=words))


class _Asker:
    """One thread, and what it is asking for."""

    def __init__(self, tasks: _Tasks, answers: _Answers, see: Callable[[Look], Seen]) -> None:
        self._tasks, self._answers, self._see = tasks, answers, see
        self._lock = threading.Lock()
        self._asked: tuple[Look, float] | None = None
        self.is_left = False
        threading.Thread(target=self._work, name="pictures", daemon=True).start()

    def left_behind(self, late: float) -> Look | None:
        """What it has been asking for since before `late`, if so: nobody listens to it any more."""
        with self._lock:
            if self._asked is None or self._asked[1] > late:
                return None
            self.is_left = True
            return self._asked[0]

    def _work(self) -> None:
        try:
            while not self.is_left and (look := self._tasks.get()) is not None:
                self._asked = (look, time.monotonic())
                seen = self._see(look)
                with self._lock:
                    self._asked = None
                    if not self.is_left:
                        self._answers.put((look, seen))
        finally:
            connections.close_all()  # of this thread: a storage may keep files in a database


_Tasks: TypeAlias = "queue.SimpleQueue[Look | None]"
_Answers: TypeAlias = "queue.SimpleQueue[tuple[Look, Seen]]"
