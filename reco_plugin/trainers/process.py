"""Train in a process of its own: a crash, a leak or a kill in it cannot reach the caller.

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
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from reco_plugin.exceptions import ArtefactCorrupt, TrainingFailed
from reco_plugin.trainers import child, obituary, packing, registry
from reco_plugin.trainers.base import Learnt, Progress
from reco_plugin.types import Dataset

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
_TICK = 0.25


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
) -> Learnt:
    """Train `trainer` (a name or dotted path) in a fresh process and hand back what it learnt.

    `timeout` in seconds and `memory_mb` (beyond the loaded libraries) are unlimited when 0 or None. The files of
    the exchange live in a folder of their own below `folder` (the system's temporary one by default)
    and are gone when this returns or raises; the process is too. `progress` hears 'load' and 'train'.

    Raises ValueError for an unknown trainer or hyper-parameter, NotEnoughData, and TrainingFailed,
    which says in plain words how the process died.
    """
    registry.get(trainer)(config)
    registry.demand_installed(trainer)
    with _workplace(folder) as place:
        job = {
            "trainer": trainer,
            "config": dict(config or {}),
            "seed": seed,
            "threads": max(threads, 1),
            "memory_mb": memory_mb,
            "sha256": packing.save_dataset(place / child.DATASET, dataset),
        }
        (place / child.JOB).write_text(json.dumps(job))
        with _Process(place, threads=max(threads, 1), memory_mb=memory_mb) as process:
            digest = process.follow(timeout or None, progress)
        return _result(place / child.RESULT, digest)


@contextlib.contextmanager
def _workplace(folder: str | Path | None) -> Any:
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="train-", dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _result(path: Path, digest: str) -> Learnt:
    try:
        return packing.load_learnt(path, digest)
    except ArtefactCorrupt as error:
        raise TrainingFailed(f"The training process left no usable result: {error}") from error


class _Process:
    """The child, from start to certain end."""

    def __init__(self, place: Path, *, threads: int, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._place = place
        command = [_python(), "-P", "-m", "reco_plugin.trainers.child", str(place)]
        self._errors = (place / child.ERRORS).open("wb")
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._peak: int | None = None
        self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(threads),
            start_new_session=True,
        )
        assert self._popen.stdout is not None
        threading.Thread(target=self._read, args=(self._popen.stdout,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        for pipe in (self._popen.stdin, self._errors):
            if pipe is not None:
                pipe.close()

    def follow(self, timeout: float | None, progress: Progress | None) -> str:
        """Relay progress until the end; returns the checksum of the result, or raises."""
        deadline = time.monotonic() + timeout if timeout else None
        result: str | None = None
        while (line := self._next(deadline, timeout)) is not None:
            message = _parse(line)
            if "error" in message:
                raise self._refusal(message)
            result = message.get("result", result)
            if progress and "stage" in message:
                progress(message["stage"], message["done"], message["total"])
        code = self._wait()
        if code or result is None:
            raise TrainingFailed(obituary.write(self._death(code)))
        return result

    def _next(self, deadline: float | None, timeout: float | None) -> str | None:
        """The next line, or None at the end of them."""
        while True:
            # before the wait: a child that talks all the time must not outlive its limit
            if deadline is not None and time.monotonic() > deadline:
                raise TrainingFailed(
                    f"Training was ended after {timeout:g} s, its time limit. Raise RECO_TRAIN_TIMEOUT, "
                    "or train fewer epochs or dimensions."
                )
            self._peak = _peak_mib(self._popen.pid) or self._peak
            with contextlib.suppress(queue.Empty):
                return self._lines.get(timeout=_TICK)

    def _read(self, stdout: IO[bytes]) -> None:
        with stdout:
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
        return obituary.refusal(message["error"], message["message"], self._stderr())

    def _death(self, code: int) -> obituary.Death:
        return obituary.Death(
            code=code, stderr=self._stderr(), peak_mib=self._peak, memory_mb=self._memory_mb
        )

    def _stderr(self) -> str:
        return (self._place / child.ERRORS).read_bytes().decode("utf-8", "replace")


def _python() -> str:
    if not sys.executable:
        raise TrainingFailed(
            "This Python does not know its own interpreter (sys.executable is empty, as inside an embedding "
            "web server). Train from manage.py reco_train or a worker."
        )
    return sys.executable


HANDED_ON = (
    "PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV",
    "PYTHONHOME", "PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER",
    "PYTHONHASHSEED", "COVERAGE_PROCESS_START",
)  # fmt: skip
HANDED_ON_PREFIXES = ("LC_", "OMP_", "KMP_", "GOMP_", "OPENBLAS_", "MKL_", "LD_", "DYLD_")


def _environment(threads: int) -> dict[str, str]:
    """The child finds the modules this process finds, and uses as many threads as it was given.

    It gets none of the shop's secrets: of the environment only what a Python and its number crunchers
    need is handed on.
    """
    handed_on = {
        name: value
        for name, value in os.environ.items()
        if name in HANDED_ON or name.startswith(HANDED_ON_PREFIXES)
    }
    paths = [path or os.getcwd() for path in sys.path]
    threading_ = dict.fromkeys(child.THREAD_VARIABLES, str(threads))
    return {**handed_on, **threading_, "PYTHONPATH": os.pathsep.join(paths)}


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
