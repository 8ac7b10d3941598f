"""How a child died, in words that tell what to do about it."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from reco_plugin import exceptions
from reco_plugin.children import life

LAST_LINES = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """What a kind of process is called, and what whoever runs it can do when it dies."""

    process: str
    """'training process'"""
    memory_setting: str
    less: str
    """What makes it need less memory: 'lower dimensions, or learn from …'."""
    time: str
    """What to do when it takes too long, as a sentence."""
    again: str
    """What to do when somebody ended it, as a sentence."""
    crash: str = "Give it one thread to find out which."
    illegal: str = (
        "one of the libraries it uses was compiled for another CPU. Build it for this one"
    )


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


def refusal(name: str, message: str, stderr: str, process: str = "training process") -> Exception:
    """The error a child told its parent of, as the same class; its traceback goes along as a note."""
    kind = getattr(exceptions, name, None)
    if not (isinstance(kind, type) and issubclass(kind, exceptions.RecoError)):
        kind = ValueError
    error: Exception = kind(message)
    error.add_note(f"In the {process}:\n{_tail(stderr)}")
    return error


def write(death: Death, advice: Advice) -> str:
    """One paragraph for whoever reads of it, with the last lines of stderr."""
    last = _tail(death.stderr)
    return _cause(death, advice) + (f"\nIts last words:\n{last}" if last else "")


def _tail(stderr: str) -> str:
    return "\n".join(stderr.strip().splitlines()[-LAST_LINES:])


def _cause(death: Death, advice: Advice) -> str:
    if death.code == life.OUT_OF_MEMORY or "MemoryError" in death.stderr:
        return _out_of_memory(death, advice)
    if death.code < 0 or death.code > 128:
        return _signalled(death, advice, abs(death.code) % 128)
    if not death.code:
        return f"The {advice.process} ended without a result."
    return f"The {advice.process} ended with exit code {death.code}."


def _out_of_memory(death: Death, advice: Advice) -> str:
    limit = f"; its limit was {death.memory_mb} MiB ({advice.memory_setting})"
    return (
        f"The {advice.process} ran out of memory{_used(death)}"
        + (limit if death.memory_mb else "")
        + f". Raise the limit, {advice.less}."
    )


def _signalled(death: Death, advice: Advice, number: int) -> str:
    said = f"The {advice.process} was killed by {_name(number)}"
    if number == signal.SIGKILL:
        less = advice.less[:1].upper() + advice.less[1:]
        return (
            f"{said}, probably for lack of memory on this machine{_used(death)}. "
            f"{less}, or give it more memory."
        )
    if number == signal.SIGILL:
        return f"{said}: {advice.illegal}"
    if number in (signal.SIGTERM, signal.SIGINT):
        return f"{said}: someone or a shutdown ended it. {advice.again}"
    return f"{said}: a compiled library crashed{_used(death)}. {advice.crash}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _used(death: Death) -> str:
    return f": it used {death.peak_mib} MiB when last looked at" if death.peak_mib else ""
