"""A shopper's photo → its vector, in a process of its own that may be killed, with a deadline.

The web process neither opens the photo nor runs a network: a picture made to harm, a crash or a leak
costs an answer and nothing else. See `answering` for the other end.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from reco_plugin.children.environment import environment, python
from reco_plugin.encoders import answering, frames
from reco_plugin.encoders.base import Fault, Limits, Refused
from reco_plugin.exceptions import EncoderBusy, EncoderUnavailable
from reco_plugin.types import Floats

ONNX = "reco_plugin.encoders.onnx.OnnxEncoder"
START_SECONDS = 30.0
"""A process that is not ready after so long never will be."""
WHOLE_SECONDS = 5.0
"""From the first byte of a word to the last."""
LEAST_SECONDS = 0.05
"""With less time left than this nothing is asked: it would be killed for somebody else's delay."""
PAUSES = (0.0, 0.0, 1.0, 5.0, 30.0)
"""Seconds until the next process is begun, by the number that died in a row."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process is to answer with. Equal jobs are answered alike."""

    path: Path
    """The network, a file."""
    sha256: str
    limits: Limits = field(default_factory=Limits)
    threads: int = 1
    idle: float = 300.0
    """Seconds without a question after which it ends; the next question begins another."""
    encoder: str = ONNX
    """Dotted path of a callable(path, sha256, threads=…) -> Encoder."""

    def packed(self) -> bytes:
        told = {**asdict(self), "path": str(self.path.absolute())}
        return json.dumps(told).encode()


class EncoderService:
    """Answers one question at a time, and lets a few wait. Safe to use from any thread, and after a fork."""

    def __init__(self, job: Job, *, queue: int = 4) -> None:
        """`queue`: questions that may wait for their turn."""
        self.job = job
        self._queue = queue
        self._child: _Child | None = None
        self._why = "The encoder keeps dying."
        self._forget()
        _services.add(self)

    def ask(self, photo: bytes, timeout: float) -> Floats | Refused:
        """The vector of `photo`, (dimension,) of length 1, or why the photo is not looked at.

        Raises EncoderBusy when others wait already, while the process starts, and when there is no answer
        within `timeout` seconds; EncoderUnavailable when there is no process to be had, or it died
        of something else than the photo.
        """
        deadline = time.monotonic() + timeout
        with self._turn(deadline):
            return self._ask(photo, deadline)

    def start(self) -> None:
        """Begin the process, without waiting for it; nothing where it runs or somebody asks it."""
        if self._lock.acquire(blocking=False):
            try:
                if self._child is None and not self._pause():
                    self._child = _Child(self.job)
            finally:
                self._lock.release()

    def close(self) -> None:
        """End the process as soon as nobody asks it any more."""
        self._is_over = True
        if self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()

    def end(self) -> None:
        """End the process now, also in the middle of a question."""
        self._is_over = True
        self._end()

    @property
    def pid(self) -> int | None:
        """Of the process, as far as it is known to run."""
        child = self._child
        return child.pid if child is not None and child.lives else None

    # --- whose turn it is ----------------------------------------------------------------------

    @contextlib.contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        with self._door:
            if self._waiting > self._queue:
                raise EncoderBusy("Other photos are being looked at. Try again in a moment.")
            self._waiting += 1
        try:
            if not self._lock.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
                raise EncoderBusy(
                    "Other photos took all the time there was. Try again in a moment."
                )
            try:
                yield
            finally:
                if self._is_over:
                    self._end()
                self._lock.release()
        finally:
            with self._door:
                self._waiting -= 1

    def _ask(self, photo: bytes, deadline: float) -> Floats | Refused:
        """Once more where the process had gone to rest in the meantime."""
        for _ in range(2):
            child = self._ready(deadline)
            if deadline - time.monotonic() < LEAST_SECONDS:
                raise EncoderBusy(
                    "Other photos took all the time there was. Try again in a moment."
                )
            try:
                answer = child.ask(photo, deadline)
            except _Rested:
                self._end()
                continue
            except BaseException:
                self._lost()
                raise
            if isinstance(answer, _Died):  # of the photo: the next one is not to wait for that
                self._end()
                return answer.refused
            self._deaths = 0
            return answer
        raise EncoderBusy("The encoder keeps ending. Try again in a moment.")

    # --- the process ---------------------------------------------------------------------------

    def _ready(self, deadline: float) -> _Child:
        if self._child is not None and self._child.is_ready and not self._child.lives:
            self._end()
        if self._child is None:
            if pause := self._pause():
                raise EncoderUnavailable(f"{self._why} It is tried again in {pause:.0f} s.")
            self._child = _Child(self.job)
        try:
            self._child.wait_ready(deadline)
        except EncoderUnavailable as error:
            self._why = str(error)
            self._lost(for_long=True)
            raise
        return self._child

    def _pause(self) -> float:
        """Seconds until another process may be begun."""
        return max(0.0, self._next_at - time.monotonic())

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _lost(self, *, for_long: bool = False) -> None:
        self._end()
        self._deaths += len(PAUSES) if for_long else 1
        pause = PAUSES[min(self._deaths, len(PAUSES) - 1)]
        self._next_at = time.monotonic() + pause

    def _forget(self) -> None:
        """As new: locks do not survive a fork, and the process belongs to whoever began it."""
        self._door, self._lock = threading.Lock(), threading.Lock()
        self._waiting = 0
        self._is_over = False
        self._deaths = 0
        self._next_at = 0.0

    def forked(self) -> None:
        """In a forked process: leave the child to the parent, which may still be asking it."""
        child, self._child = self._child, None
        if child is not None:
            child.leave()
        self._forget()


class _Rested(Exception):
    """The process had ended by itself before it was asked."""


@dataclass(frozen=True)
class _Died:
    """A photo that its reader died of."""

    refused: Refused


class _Child:
    """One process, from start to certain end."""

    def __init__(self, job: Job) -> None:
        self._began = time.monotonic()
        self.is_ready = False
        self._link, theirs = socket.socketpair()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        try:
            self._popen = self._begin(theirs, job.threads)
            frames.send(self._link, job.packed(), deadline=self._began + START_SECONDS)
        except BaseException as error:
            self._link.close()
            self._errors.close()
            if isinstance(error, OSError):
                raise EncoderUnavailable(f"No encoder process can be started: {error}") from error
            raise
        finally:
            theirs.close()

    def _begin(self, theirs: socket.socket, threads: int) -> subprocess.Popen[bytes]:
        if not python():
            raise EncoderUnavailable(
                "This Python does not know its own interpreter (sys.executable is empty, as inside an embedding "
                "web server), so it cannot start an encoder process."
            )
        popen = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [python(), "-P", "-m", "reco_plugin.encoders.answering"],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=environment(threads),
            start_new_session=True,
        )
        # one that has gone to rest is not to linger as a zombie until somebody asks
        threading.Thread(target=popen.wait, name="encoder", daemon=True).start()
        return popen

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def lives(self) -> bool:
        return self._popen.poll() is None

    def wait_ready(self, deadline: float) -> None:
        """Raises EncoderBusy while it is not, EncoderUnavailable when it will not be."""
        if self.is_ready:
            return
        last = self._began + START_SECONDS
        try:
            self._await_a_word(min(deadline, last))
            message = self._hear(time.monotonic() + WHOLE_SECONDS)
        except TimeoutError as error:
            if time.monotonic() >= last:
                raise EncoderUnavailable(
                    f"The encoder was not ready after {START_SECONDS:.0f} s."
                ) from error
            raise EncoderBusy("The encoder is starting. Try again in a moment.") from error
        except EOFError as error:
            raise EncoderUnavailable(f"The encoder died as it started. {self._death()}") from error
        if "error" in message:
            raise EncoderUnavailable(message["message"])
        self.is_ready = True

    def ask(self, photo: bytes, deadline: float) -> Floats | Refused | _Died:
        """Raises _Rested, EncoderBusy when it is late, EncoderUnavailable when it died."""
        is_opened = False
        try:
            self._put(photo, deadline)
            while "opened" in (message := self._hear(deadline)):
                is_opened = True
        except TimeoutError as error:
            raise EncoderBusy(
                "The encoder did not answer in time. Try again in a moment."
            ) from error
        except EOFError as error:
            return self._mourned(is_opened, error)
        if "error" in message:
            raise EncoderUnavailable(f"The encoder failed: {message['message']}")
        if "fault" in message:
            return Refused(fault=Fault(message["fault"]), words=message["words"])
        return np.frombuffer(bytes.fromhex(message["vector"]), dtype="<f4").astype(np.float32)

    def _put(self, photo: bytes, deadline: float) -> None:
        seconds = answering.SECONDS.pack(max(deadline - time.monotonic(), 0.0))
        try:
            frames.send(self._link, seconds, photo, deadline=deadline)
        except ConnectionError as error:  # it was gone before it had all of the photo
            raise _Rested from error

    def end(self) -> None:
        """Leave no process behind."""
        self._link.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._errors.close()

    def leave(self) -> None:
        """Let go of it without ending it: it is not ours."""
        self._popen.returncode = 0  # nobody here is to wait for it
        self._link.close()
        self._errors.close()

    def _await_a_word(self, deadline: float) -> None:
        """Until it begins to speak: whoever stops listening in the middle hears the rest as nonsense."""
        self._link.settimeout(max(deadline - time.monotonic(), 1e-3))
        with contextlib.suppress(ConnectionError):
            self._link.recv(1, socket.MSG_PEEK)

    def _hear(self, deadline: float) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(frames.receive(self._link, deadline))
        return message

    def _mourned(self, is_opened: bool, error: Exception) -> _Died:
        """Whoever dies while a photo is opened dies of it."""
        code = self._popen.wait()
        if code == 0:
            raise _Rested from error
        if is_opened:
            raise EncoderUnavailable(f"The encoder died. {self._death()}") from error
        words = "Opening this picture takes too much memory or time."
        return _Died(Refused(fault=Fault.KILLER, words=words))

    def _death(self) -> str:
        code = self._popen.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {said[-1]}" if said else "."
        return f"It ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}{last}"


_services: weakref.WeakSet[EncoderService] = weakref.WeakSet()


def _each_forked() -> None:
    for service in list(_services):
        service.forked()


@atexit.register
def _each_ended() -> None:
    for service in list(_services):
        service.end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_each_forked)
