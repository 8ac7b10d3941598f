"""A training process: `python -m reco_plugin.trainers.child FOLDER`.

Reads job.json and dataset.npz from FOLDER, trains, writes result.npz there, whole or not at all. Tells what
it does in JSON lines on stdout; all else anyone prints goes to stderr. It ends at once on SIGTERM, and when
its stdin closes, which is how it learns that its parent has died. It imports no Django.

Only the standard library is imported at the top: threads of the number crunchers and signals are settled
before those are loaded.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any

JOB = "job.json"
DATASET = "dataset.npz"
RESULT = "result.npz"
ERRORS = "stderr.log"
TRIES = 50
"""Times an orphan tries to clear its folder, a hundredth of a second apart."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

OUT_OF_MEMORY = 9
"""Exit code of a process that met its own memory limit."""
REFUSED = 3
"""Exit code of an error that was told on stdout."""


class Voice:
    """The process's real stdout, one JSON object a line; safe to use from any thread."""

    PAUSE = 0.1
    """Seconds between two reports of progress in the same stage; the last of a stage is never left out."""

    def __init__(self) -> None:
        self._told = ("", 0.0)
        self._file: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._lock = threading.Lock()
        os.dup2(2, 1)  # what libraries print must not end up between our lines

    def say(self, **message: Any) -> None:
        with self._lock:
            self._file.write(json.dumps(message) + "\n")
            self._file.flush()

    def progress(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        before, then = self._told
        if done >= total or stage != before or now - then >= self.PAUSE:
            self._told = (stage, now)
            self.say(stage=stage, done=done, total=total)


def main(arguments: list[str] | None = None) -> int:
    """Run the job of a folder; returns the exit code."""
    folder = Path((arguments if arguments is not None else sys.argv[1:])[0])
    job = json.loads((folder / JOB).read_text())
    _watch_signals(folder)
    _watch_parent(folder)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(job["threads"])
    voice = Voice()
    try:
        voice.say(result=_train(folder, job, voice))
    except MemoryError:
        traceback.print_exc()
        return OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
        return _tell(voice, error)
    return 0


def _train(folder: Path, job: dict[str, Any], voice: Voice) -> str:
    from reco_plugin.trainers import packing, registry

    _limit_memory(job["memory_mb"])
    voice.progress("load", 0, 1)
    dataset = packing.load_dataset(folder / DATASET, job["sha256"])
    voice.progress("load", 1, 1)
    trainer = registry.get(job["trainer"])(job["config"])
    learnt = trainer.fit(dataset, seed=job["seed"], threads=job["threads"], progress=voice.progress)
    return packing.save_learnt(folder / RESULT, learnt)


def _tell(voice: Voice, error: Exception) -> int:
    """Errors meant for people go to the parent by name; of others the traceback goes to stderr."""
    from reco_plugin.exceptions import RecoError

    if not isinstance(error, RecoError | ValueError):
        traceback.print_exception(error)
        return 1
    voice.say(error=type(error).__name__, message=str(error))
    traceback.print_exception(error)
    return REFUSED


def _limit_memory(memory_mb: int) -> None:
    """Bound what is used beyond this point, where the system can: the libraries are mapped already."""
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


def _mapped() -> int:
    """Bytes of address space in use; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _watch_signals(folder: Path) -> None:
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


def _watch_parent(folder: Path) -> None:
    """End when stdin closes: the parent holds its other end, and the system closes it if that dies."""

    def wait() -> None:
        while os.read(0, 64):
            pass
        for _ in range(TRIES):
            shutil.rmtree(folder, ignore_errors=True)  # which the trainer may still write into
            if not folder.exists():
                break
            time.sleep(0.01)
        os._exit(1)

    def watch() -> None:
        try:
            wait()
        finally:
            os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _remove_half_written(folder: Path) -> None:
    for path in folder.glob("*.part"):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a watcher holds stdin; tearing the interpreter down under it gains nothing
