"""What bounds a child, and what ends it: memory, signals, the death of its parent."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
OUT_OF_MEMORY = 9
"""Exit code of a process that met its own memory limit."""
REFUSED = 3
"""Exit code of an error that was told on stdout."""
ORPHANED = 1
TRIES = 300
"""Times an orphan tries to clear its folder, a hundredth of a second apart."""


def limit_memory(memory_mb: int) -> None:
    """Bound what is used beyond this point, where the system can: call it when the libraries are mapped.

    0 is no limit.
    """
    if memory_mb <= 0:
        return
    try:
        import resource
    except ModuleNotFoundError:
        return
    size = _mapped() + memory_mb * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))


@contextmanager
def libraries() -> Iterator[None]:
    """What is imported inside counts as libraries: the bound of `limit_memory` is lifted, and moves up by it.

    For those that map gigabytes they never use, and are imported only when they are needed.
    """
    try:
        import resource
    except ModuleNotFoundError:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    before = _mapped()
    try:
        yield
    finally:
        size = soft + max(_mapped() - before, 0)
        bounded = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_AS, (bounded, hard))


def _mapped() -> int:
    """Bytes of address space in use; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def watch_signals(folder: Path) -> None:
    """End cleanly on SIGTERM and SIGINT, also in the middle of an epoch of compiled code.

    A handler would wait for that code to return; a thread in sigwait does not. The signals are blocked
    here, before any other thread is started, so that none of them takes the signal instead.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return
    watched = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)

    def wait() -> None:
        number = signal.sigwait(watched)
        _remove_half_written(folder)
        os._exit(128 + number)

    threading.Thread(target=wait, name="signals", daemon=True).start()


def watch_parent(folder: Path) -> None:
    """End when stdin closes: the parent holds its other end, and the system closes it if that dies.

    Not for a child that is spoken to: it reads stdin itself, and calls `orphaned` at its end.
    """

    def wait() -> None:
        while os.read(0, 64):
            pass
        orphaned(folder)

    def watch() -> None:
        try:
            wait()
        finally:
            os._exit(ORPHANED)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def orphaned(folder: Path) -> None:
    """Clear the folder, which other threads may still write into, and end at once."""
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(0.01)
    os._exit(ORPHANED)


def _remove_half_written(folder: Path) -> None:
    for path in folder.glob("*.part"):
        path.unlink(missing_ok=True)
