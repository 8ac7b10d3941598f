"""The process that looks at shoppers' photos: `python -m reco_plugin.encoders.answering`.

Its stdin is one end of a socket. The first frame is its job as JSON (`encoder`: the dotted path of a
callable(path, sha256, threads=…) -> Encoder, its arguments, and `limits`); each frame after that is a
question: seconds it may take (a float64), then the bytes of a photo, which are kept nowhere. It answers in
frames of JSON: 'ready' once, 'opened' when a photo was decoded, then 'vector' (float32, little-endian, in
hex) or 'fault' and 'words'; 'error' and 'message' before it gives up.

It ends when the other end of the socket closes, which is how it learns that its parent has died, when it
was not asked anything for `idle` seconds, and, by the system's own timers, in the middle of a question that
takes longer than it may. It imports no Django.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from reco_plugin.children import life
from reco_plugin.encoders import frames

SECONDS = struct.Struct(">d")
"""What stands before the bytes of a photo."""
SLACK = 0.5
"""Seconds a question may take beyond its time, before the system ends whoever works at it."""


def main() -> int:
    """Answer until nobody asks any more; returns the exit code."""
    link = socket.socket(fileno=os.dup(0))
    os.dup2(2, 1)  # what libraries print is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the parent, which ends us
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        job = json.loads(frames.receive(link))
        try:
            encoder = _encoder(job)
        except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
            return _tell(link, error)
        _say(link, ready=True, size=encoder.size, dimension=encoder.dimension)
        _answer_all(link, encoder, job)
    return 0


def _encoder(job: dict[str, Any]) -> Any:
    """Loaded, and warm: the first shopper is not to wait longer than the next."""
    import numpy as np

    from reco_plugin.encoders import decoding

    module, _, name = job["encoder"].rpartition(".")
    encoder = getattr(import_module(module), name)(
        Path(job["path"]), job["sha256"], threads=job["threads"]
    )
    decoding.unknown_formats(job["limits"]["formats"])  # is there what opens photos? Loads it, too
    encoder.encode(np.zeros((1, encoder.size, encoder.size, 3), np.uint8))
    return encoder


def _answer_all(link: socket.socket, encoder: Any, job: dict[str, Any]) -> None:
    from reco_plugin.encoders.base import Limits

    limits = Limits(**{**job["limits"], "formats": tuple(job["limits"]["formats"])})
    while (question := _next(link, job["idle"])) is not None:
        (seconds,) = SECONDS.unpack_from(question)
        photo = bytes(memoryview(question)[SECONDS.size :])
        with _timed(seconds):
            try:
                _say(link, **_answer(link, encoder, photo, limits, seconds))
            except OSError:
                raise  # nobody listens
            except Exception as error:  # noqa: BLE001 - a fault of ours, not of the photo
                _tell(link, error)


def _next(link: socket.socket, idle: float) -> bytearray | None:
    with contextlib.suppress(TimeoutError):
        return frames.receive(link, time.monotonic() + idle)
    return None


def _answer(
    link: socket.socket, encoder: Any, photo: bytes, limits: Any, seconds: float
) -> dict[str, Any]:
    from reco_plugin.encoders.base import Fault, Refused
    from reco_plugin.encoders.decoding import decode

    try:
        with (
            _bounded(limits.memory_mb, min(seconds, limits.seconds)),
            warnings.catch_warnings(action="ignore"),  # of a photo that is odd, and can be opened
        ):
            pixels = decode(photo, limits, encoder.size)
    except MemoryError:
        return {"fault": Fault.KILLER, "words": "Opening this picture takes too much memory."}
    if isinstance(pixels, Refused):
        return {"fault": pixels.fault, "words": pixels.words}
    _say(link, opened=True)
    return {"vector": encoder.encode(pixels[None])[0].astype("<f4").tobytes().hex()}


@contextlib.contextmanager
def _timed(seconds: float) -> Iterator[None]:
    """Whoever takes longer is ended by the system, whatever it is doing and whoever has died."""
    signal.setitimer(signal.ITIMER_REAL, seconds + SLACK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


@contextlib.contextmanager
def _bounded(memory_mb: int, seconds: float) -> Iterator[None]:
    """Memory beyond what is mapped, and seconds of CPU: more of these ends the process (SIGPROF)."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    life.limit_memory(memory_mb)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _say(link: socket.socket, **message: Any) -> None:
    frames.send(link, json.dumps(message).encode())


def _tell(link: socket.socket, error: Exception) -> int:
    """Why there is nobody here to answer."""
    traceback.print_exception(error)
    _say(link, error=type(error).__name__, message=str(error))
    return life.REFUSED


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
