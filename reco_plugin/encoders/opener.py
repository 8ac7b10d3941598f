"""The process that opens pictures: `python -m reco_plugin.encoders.opener LIMITS SIZE`.

Its stdin is one end of a socket. Each frame is a batch of pictures; each is answered as soon as it is open,
so that the parent knows which one it died of. The process ends when the other end closes. It is given no
secrets, writes no files, and has only so much memory, and so much processor time for each picture. It
imports no Django.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from reco_plugin.children import life
from reco_plugin.encoders import frames
from reco_plugin.encoders.base import Fault, Limits, Pixels, Refused

HELLO = b"open"
"""The first frame, when everything is loaded."""
PIXELS, REFUSED = b"P", b"R"
"""What an answer begins with; then come pixels, or JSON of a Refused."""
_COUNT = struct.Struct("<I")


def packed(pictures: Sequence[bytes]) -> tuple[bytes, ...]:
    """The parts of a frame: how many pictures, how long each is, and the pictures."""
    lengths = struct.pack(f"<{len(pictures)}I", *map(len, pictures))
    return _COUNT.pack(len(pictures)), lengths, *pictures


def unpacked(frame: bytearray) -> Iterator[bytes]:
    """The pictures of a frame."""
    (count,) = _COUNT.unpack_from(frame)
    at = _COUNT.size + 4 * count
    for length in struct.unpack_from(f"<{count}I", frame, _COUNT.size):
        yield bytes(memoryview(frame)[at : at + length])
        at += length


def main(arguments: Sequence[str]) -> None:
    """Open pictures until nobody asks for more."""
    limits, size = Limits(**json.loads(arguments[0])), int(arguments[1])
    link = socket.socket(fileno=os.dup(0))
    os.dup2(2, 1)  # what libraries print is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the parent, which ends us
    warnings.simplefilter("ignore")
    _load(limits)
    _bound(limits)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        frames.send(link, HELLO)
        while True:
            for picture in unpacked(frames.receive(link)):
                frames.send(link, *_answer(picture, limits, size))


def _load(limits: Limits) -> None:
    """All codecs: the limit on memory must not meet an import."""
    from reco_plugin.encoders.decoding import unknown_formats

    unknown_formats(limits.formats)


def _answer(picture: bytes, limits: Limits, size: int) -> tuple[bytes, bytes]:
    _bound_seconds(limits.seconds)
    found = _opened(picture, limits, size)
    if isinstance(found, Refused):
        return REFUSED, json.dumps([found.fault, found.words]).encode()
    return PIXELS, found.tobytes()


def _opened(picture: bytes, limits: Limits, size: int) -> Pixels | Refused:
    from reco_plugin.encoders.decoding import decode

    try:
        return decode(picture, limits, size)
    except MemoryError:
        return Refused(
            fault=Fault.KILLER,
            words=f"Opening it takes more than {limits.memory_mb:,} MiB of memory: save it smaller.",
        )


# --- what it may use ------------------------------------------------------------------------------


def _bound(limits: Limits) -> None:
    """No files, no core dumps, and memory beyond what is loaded. Where the system can."""
    if resource := _resource():
        _set(resource, resource.RLIMIT_CORE, 0)
        _set(resource, resource.RLIMIT_FSIZE, 0)
    life.limit_memory(limits.memory_mb)


def _bound_seconds(seconds: float) -> None:
    """Processor time from now on: the system counts it from the start of the process."""
    if resource := _resource():
        used = resource.getrusage(resource.RUSAGE_SELF)
        _set(resource, resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)


def _resource() -> Any:
    """None on systems without it."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    return resource


def _set(resource: Any, limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(0)  # nothing to tear down
