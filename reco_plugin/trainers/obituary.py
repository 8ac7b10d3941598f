"""How a training process died, in words that tell what to do about it."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from reco_plugin import exceptions
from reco_plugin.trainers import child

LAST_LINES = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Death:
    """What is known of a process that ended without a result."""

    code: int
    """Exit code; minus the number of the signal that killed it."""
    stderr: str
    peak_mib: int | None
    """Most memory it was seen to use, where the system tells."""
    memory_mb: int
    """Its memory limit, 0 for none."""


def refusal(name: str, message: str, stderr: str) -> Exception:
    """The error a child told its parent of, as the same class; its traceback goes along as a note."""
    kind = getattr(exceptions, name, None)
    if not (isinstance(kind, type) and issubclass(kind, exceptions.RecoError)):
        kind = ValueError
    error: Exception = kind(message)
    error.add_note(f"In the training process:\n{_tail(stderr)}")
    return error


def write(death: Death) -> str:
    """One paragraph for whoever reads the run, with the last lines of stderr."""
    last = _tail(death.stderr)
    return _cause(death) + (f"\nIts last words:\n{last}" if last else "")


def _tail(stderr: str) -> str:
    return "\n".join(stderr.strip().splitlines()[-LAST_LINES:])


def _cause(death: Death) -> str:
    if death.code == child.OUT_OF_MEMORY or "MemoryError" in death.stderr:
        return _out_of_memory(death)
    if death.code < 0 or death.code > 128:
        return _signalled(death, abs(death.code) % 128)
    if not death.code:
        return "The training process ended without a result."
    return f"The training process ended with exit code {death.code}."


def _out_of_memory(death: Death) -> str:
    return (
        f"The training process ran out of memory{_used(death)}"
        + (
            f"; its limit was {death.memory_mb} MiB (RECO_TRAIN_MEMORY_MB)"
            if death.memory_mb
            else ""
        )
        + ". Raise the limit, lower dimensions, or learn from a shorter window (RECO_WINDOW_DAYS)."
    )


def _signalled(death: Death, number: int) -> str:
    name = _name(number)
    said = f"The training process was killed by {name}"
    if number == signal.SIGKILL:
        return (
            f"{said}, probably for lack of memory on this machine{_used(death)}. "
            "Lower dimensions, learn from a shorter window (RECO_WINDOW_DAYS), or give it more memory."
        )
    if number == signal.SIGILL:
        return (
            f"{said}: the installed lightfm was compiled for another CPU. Build it for this one: "
            "LIGHTFM_NO_CFLAGS=1 pip install --no-binary lightfm-next --force-reinstall lightfm-next"
        )
    if number in (signal.SIGTERM, signal.SIGINT):
        return f"{said}: someone or a shutdown ended it. Start the training again."
    return f"{said}: a compiled library crashed{_used(death)}. Train with one thread to find out which."


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _used(death: Death) -> str:
    return f": it used {death.peak_mib} MiB when last looked at" if death.peak_mib else ""
