"""The processes of a shop in production, each started again when it dies, as a supervisor would."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RESTART_SECONDS = 1.0


@dataclass(kw_only=True)
class Member:
    """One process, with the children it makes (a process group of its own)."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0


@dataclass(kw_only=True)
class Fleet:
    """Starts, watches and ends the members; their output goes to one file each."""

    folder: Path
    environ: Mapping[str, str]
    members: dict[str, Member] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, name: str, command: Sequence[str]) -> None:
        member = self.members[name] = Member(name=name, command=command)
        self._launch(member)

    def watch(self) -> None:
        """Start what has died again, until `close`; runs in a thread of its own."""
        while not self._closing.wait(RESTART_SECONDS):
            with self._lock:
                for member in self.members.values():
                    if member.process is not None and member.process.poll() is not None:
                        self._launch(member)

    def kill(self, name: str) -> None:
        """SIGKILL for the member and all its children: no goodbye of any kind."""
        with self._lock:
            member = self.members[name]
            if member.process is not None:
                _signal(member.process, signal.SIGKILL)

    def kill_a_child(self, name: str, choose: Callable[[Sequence[int]], int]) -> bool:
        """SIGKILL for one child of a member, e.g. one worker of a web server."""
        member = self.members[name]
        children = _children(member.process.pid) if member.process else []
        if not children:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(choose(children), signal.SIGKILL)
        return True

    def close(self) -> None:
        """End all, politely first."""
        self._closing.set()
        with self._lock:
            running = [member.process for member in self.members.values() if member.process]
            for process in running:
                _signal(process, signal.SIGTERM)
            for process in running:
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    _signal(process, signal.SIGKILL)
                    process.wait()

    def _launch(self, member: Member) -> None:
        with (self.folder / f"{member.name}.log").open("ab") as log:
            member.process = subprocess.Popen(
                member.command,
                env={**os.environ, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        member.starts += 1


@contextlib.contextmanager
def running(folder: Path, environ: Mapping[str, str]) -> Iterator[Fleet]:
    """A fleet that is watched for as long as the block lasts."""
    fleet = Fleet(folder=folder, environ=environ)
    watcher = threading.Thread(target=fleet.watch, daemon=True)
    watcher.start()
    try:
        yield fleet
    finally:
        fleet.close()


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    with contextlib.suppress(OSError):
        return [int(child) for child in found.read_text().split()]
    return []
