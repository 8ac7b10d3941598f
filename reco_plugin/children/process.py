"""A child as its parent holds it, from start to certain end.

Started by `subprocess`, never by `multiprocessing` (refused in Celery's prefork workers) nor by a bare
fork (after which OpenMP hangs for ever).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from reco_plugin.children import obituary
from reco_plugin.children.environment import environment, python
from reco_plugin.exceptions import RecoError

JOB = "job.json"
ERRORS = "stderr.log"
GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
_TICK = 0.25
AHEAD = 1_000
"""Messages that may lie unread before the child has to wait."""


@contextlib.contextmanager
def workplace(folder: str | Path | None, prefix: str) -> Iterator[Path]:
    """A folder of its own below `folder` (the system's temporary one), gone at the end."""
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


class Process:
    """A child that does `job["do"]` in the folder `place`; a context manager that leaves no process behind.

    With `is_spoken_to` the child reads from `stdin`; otherwise that only tells it whether its parent lives.
    `failure` is what is raised when it dies, in the words of `advice`.
    """

    def __init__(
        self,
        place: Path,
        job: Mapping[str, Any],
        *,
        advice: obituary.Advice,
        failure: type[RecoError],
        is_spoken_to: bool = False,
    ) -> None:
        threads = max(int(job.get("threads", 1)), 1)
        self._memory_mb = int(job.get("memory_mb", 0))
        self._place, self._advice, self._failure = place, advice, failure
        self._lines: queue.Queue[str | None] = queue.Queue(AHEAD)
        self._peak: int | None = None
        told = {"memory_mb": self._memory_mb, **job, "threads": threads}
        (place / JOB).write_text(json.dumps({**told, "is_spoken_to": is_spoken_to}))
        command = [self._python(), "-P", "-m", "reco_plugin.children", str(place)]
        self._errors = (place / ERRORS).open("wb")
        self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(threads),
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="child", daemon=True)
        self._reader.start()

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
        """End it, if it has not ended, and everything it has started."""
        self._end()
        for pipe in (self._popen.stdin, self._errors):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what was to be said to it
                    pipe.close()
        while self._reader.is_alive():  # it may wait for room for what nobody will hear
            with contextlib.suppress(queue.Empty):
                self._lines.get(timeout=_TICK / 10)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def stdin(self) -> IO[bytes]:
        assert self._popen.stdin is not None
        return self._popen.stdin

    @property
    def peak_mib(self) -> int | None:
        """Most memory it was seen to have resident, where the system tells (Linux)."""
        return self._peak

    def messages(self, timeout: float | None) -> Iterator[dict[str, Any]]:
        """What it says until it has said 'result', that included; `timeout` in seconds, None for none.

        Raises the error it told of, and `failure` when it died or was late.
        """
        deadline = time.monotonic() + timeout if timeout else None
        while (line := self._next(deadline, timeout)) is not None:
            message = _parse(line)
            if "error" in message:
                raise self._refusal(message)
            yield message
            if "result" in message:
                break
        else:
            raise self._failure(obituary.write(self._death(self._wait()), self._advice))
        if code := self._wait():
            raise self._failure(obituary.write(self._death(code), self._advice))

    def hear(self, timeout: float) -> dict[str, Any]:
        """The next thing it says. Raises as `messages` does."""
        return self._heard(self._next(time.monotonic() + timeout, timeout))

    def news(self) -> Iterator[dict[str, Any]]:
        """What it has said and nobody has heard, without waiting. Raises as `messages` does."""
        while not self._lines.empty():
            yield self._heard(self._lines.get())

    def late(self, seconds: float) -> RecoError:
        """What is raised of one that is ended because it takes too long."""
        return self._failure(
            f"The {self._advice.process} was ended after {seconds:g} s, its time limit. {self._advice.time}"
        )

    def _heard(self, line: str | None) -> dict[str, Any]:
        if line is None:
            raise self._failure(obituary.write(self._death(self._wait()), self._advice))
        message = _parse(line)
        if "error" in message:
            raise self._refusal(message)
        return message

    def _python(self) -> str:
        if not (found := python()):
            raise self._failure(
                "This Python does not know its own interpreter (sys.executable is empty, as inside an "
                f"embedding web server), so it cannot start a {self._advice.process}. Use manage.py or a worker."
            )
        return found

    def _next(self, deadline: float | None, timeout: float | None) -> str | None:
        """The next line, or None at the end of them."""
        while True:
            # before the wait: a child that talks all the time must not outlive its limit
            if deadline is not None and time.monotonic() > deadline:
                raise self.late(timeout or 0.0)
            self._peak = _peak_mib(self._popen.pid) or self._peak
            with contextlib.suppress(queue.Empty):
                return self._lines.get(timeout=_TICK)

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as stdout:
            for line in stdout:
                self._lines.put(line.decode("utf-8", "replace"))
        self._lines.put(None)

    def _end(self) -> None:
        """Leave no process behind: politely first, then the whole group, whoever is left of it."""
        if self._popen.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(GRACE)
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(
            ProcessLookupError, PermissionError
        ):  # macOS: of a group of zombies
            os.killpg(self._popen.pid, number)

    def _wait(self) -> int:
        """The exit code of a child that has said all it had to say; one that lingers is ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._popen.wait(GRACE)
        self._end()
        return self._popen.returncode

    def _refusal(self, message: dict[str, Any]) -> Exception:
        self._wait()
        return obituary.refusal(
            message["error"], message["message"], self._stderr(), self._advice.process
        )

    def _death(self, code: int) -> obituary.Death:
        return obituary.Death(
            code=code, stderr=self._stderr(), peak_mib=self._peak, memory_mb=self._memory_mb
        )

    def _stderr(self) -> str:
        return (self._place / ERRORS).read_bytes().decode("utf-8", "replace")


def _parse(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _peak_mib(pid: int) -> int | None:
    """Most memory a process had resident so far, where the system tells (Linux)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) // 1024 if found else None
