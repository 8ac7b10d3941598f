"""Kill a job as a power cut would: at a named stage, before a statement, after a while. What is left?

    from reco_plugin.testing.killing import Point, killed_at, points_of

    for point in points_of(lambda: execute("train")):
        assert killed_at(point, lambda: execute("train"))

The job runs in a forked process with database connections of its own; Linux and macOS only. Its data
must be committed, so that another process sees it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connections
from django.dispatch import Signal

from reco_plugin import conf
from reco_plugin.signals import job_stage_entered, job_stage_left

EDGES = {"entered": job_stage_entered, "left": job_stage_left}
ADOPT = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A moment in a job."""

    stage: str
    edge: str
    """'entered' or 'left'."""

    def __str__(self) -> str:
        return f"{self.stage} {self.edge}"


def points_of(work: Callable[[], object]) -> list[Point]:
    """Run `work` undisturbed; returns the moments it passes, in order."""
    passed: list[Point] = []
    with _listening(passed.append):
        work()
    return list(dict.fromkeys(passed))


def killed_at(point: Point, work: Callable[[], object]) -> bool:
    """Run `work` in a process that is killed (SIGKILL) at `point`; False when it never comes there."""

    def die(passed: Point) -> None:
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def doomed() -> None:
        with _listening(die):
            work()

    return _was_killed(_forked(doomed))


def statements_of(work: Callable[[], object]) -> int:
    """Run `work` undisturbed; returns how many SQL statements it made on its own connection."""
    made: list[int] = []
    with connections[conf.settings.DATABASE].execute_wrapper(_counting(made.append)):
        work()
    return len(made)


def killed_before(number: int, work: Callable[[], object]) -> bool:
    """Run `work` in a process that is killed before its SQL statement `number` (from 1), which is after
    the commit of what went before; False when it made fewer."""

    def die(made: int) -> None:
        if made == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def doomed() -> None:
        with connections[conf.settings.DATABASE].execute_wrapper(_counting(die)):
            work()

    return _was_killed(_forked(doomed))


def _counting(told: Callable[[int], object]) -> Any:
    made = 0

    def wrapper(execute: Any, *statement: Any) -> Any:
        nonlocal made
        made += 1
        told(made)
        return execute(*statement)

    return wrapper


def killed_after(seconds: float, work: Callable[[], object]) -> bool:
    """Run `work` in a process that is killed after `seconds`; False when it has ended by then."""
    pid = _forked(work)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return _was_killed(pid)


# --- what it leaves behind ------------------------------------------------------------------------


@contextmanager
def orphans() -> Iterator[Callable[[float], list[int]]]:
    """Whose children outlive their parent, if any is killed in the block?

    Gives a function of the seconds to wait for them: it ends those that run longer, and returns their process
    ids. Call it when no child of this process's own is at work that was begun in the block. Linux; elsewhere
    it finds none.
    """
    _adopt()
    before = _children()
    yield lambda seconds: _outlived(before, seconds)


def _adopt() -> None:
    """Orphans below this process become its children."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(ADOPT, 1, 0, 0, 0)


def _outlived(before: set[int], seconds: float) -> list[int]:
    end = time.monotonic() + seconds
    while (alive := {pid for pid in _children() - before if _runs(pid)}) and time.monotonic() < end:
        time.sleep(0.02)
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    return sorted(alive)


def _runs(pid: int) -> bool:
    """False of a child that has ended, which is buried."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    return False


def _children() -> set[int]:
    """Process ids; empty where the system does not tell."""
    return {
        int(name)
        for path in Path("/proc/self/task").glob("*/children")
        for name in path.read_text(encoding="ascii").split()
    }


@contextmanager
def _listening(told: Callable[[Point], object]) -> Iterator[None]:
    receivers: list[tuple[Signal, Any]] = []
    for edge, sent in EDGES.items():

        def receive(stage: str, edge: str = edge, **_: Any) -> None:
            told(Point(stage=stage, edge=edge))

        sent.connect(receive)
        receivers.append((sent, receive))
    try:
        yield
    finally:
        for sent, receive in receivers:
            sent.disconnect(receive)


def _forked(work: Callable[[], object]) -> int:
    """A child without our connections: sharing one would spoil it for both."""
    connections.close_all()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        pid = os.fork()  # idle threads of number crunchers are no danger: the job waits for none
    if pid == 0:
        _live(work)
    return pid


def _live(work: Callable[[], object]) -> None:
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - told, and the process ends whatever it was
        traceback.print_exc()
    finally:
        os._exit(status)


def _was_killed(pid: int) -> bool:
    """Raises RuntimeError when the child died of something else."""
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code > 0:
        raise RuntimeError(f"The process to be killed failed by itself (status {code}).")
    return code == -signal.SIGKILL
