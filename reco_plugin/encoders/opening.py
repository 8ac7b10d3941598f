"""A process that opens pictures, as its parent holds it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from reco_plugin.children.environment import environment, python
from reco_plugin.encoders import frames, opener
from reco_plugin.encoders.base import Fault, Limits, Pixels, Refused
from reco_plugin.exceptions import EncoderUnavailable

START_SECONDS = 60.0
"""Until it has to be ready."""
SLACK = 1.0
"""Seconds that a picture may take beyond its processor time, on a machine that has more to do."""
LAST = 300
"""Characters of its last words that are told."""


class Died(Exception):
    """It did not survive a picture; says how, for people."""


class Opener:
    """One `encoders.opener`, from start to certain end; it has one batch at a time.

    Raises EncoderUnavailable and OSError when it cannot be started.
    """

    def __init__(self, limits: Limits, size: int) -> None:
        self._limits, self._size = limits, size
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed in end()
        self._link, theirs = socket.socketpair()
        try:
            with theirs:
                self._popen = self._started(theirs)
        except BaseException:
            self._link.close()
            self._errors.close()
            raise

    def _started(self, stdin: socket.socket) -> subprocess.Popen[bytes]:
        if not (interpreter := python()):
            raise EncoderUnavailable(
                "This Python does not know its own interpreter (sys.executable is empty, as inside an "
                "embedding web server), so it cannot open pictures apart. Use manage.py or a worker."
            )
        told = json.dumps(asdict(self._limits))
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [interpreter, "-P", "-m", opener.__name__, told, str(self._size)],
            stdin=stdin.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=environment(1),
            start_new_session=True,
        )

    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def greet(self) -> None:
        """Wait until it is ready. Raises EncoderUnavailable."""
        try:
            frames.receive(self._link, time.monotonic() + START_SECONDS)
        except (EOFError, OSError) as error:
            self.kill()
            raise EncoderUnavailable(
                f"The process that opens pictures does not start: {self._last_words() or error}"
            ) from error

    def send(self, pictures: Sequence[bytes]) -> None:
        """Hand a batch over. Raises Died."""
        try:
            frames.send(self._link, *opener.packed(pictures), deadline=self._deadline())
        except OSError as error:
            raise Died(self._obituary(late=isinstance(error, TimeoutError))) from error

    def receive(self) -> Pixels | Refused:
        """The answer to the next picture of the batch. Raises Died."""
        try:
            answer = frames.receive(self._link, self._deadline())
        except (EOFError, OSError) as error:
            raise Died(self._obituary(late=isinstance(error, TimeoutError))) from error
        if answer[:1] == opener.REFUSED:
            fault, words = json.loads(answer[1:])
            return Refused(fault=Fault(fault), words=words)
        return np.frombuffer(answer, np.uint8, offset=1).reshape(self._size, self._size, 3)

    def _deadline(self) -> float:
        return time.monotonic() + self._limits.seconds + SLACK

    def kill(self) -> None:
        """From any thread: whoever waits for it hears that it died."""
        self._popen.kill()

    def end(self) -> None:
        """It is gone when this returns."""
        self._link.close()
        self._popen.kill()
        self._popen.wait()
        self._errors.close()

    def _obituary(self, *, late: bool) -> str:
        if not late:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(SLACK)
        code = self._popen.returncode
        again = "Save the picture anew."
        if late or code == -getattr(signal, "SIGXCPU", 0):
            return f"Opening it takes longer than {self._limits.seconds:g} s. {again}"
        if code == -getattr(signal, "SIGKILL", 0):
            return f"The process that opened it was killed, probably for lack of memory. {again}"
        return f"The process that opened it died ({_told(code)}). {again}"

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace").strip()[-LAST:]


def _told(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
