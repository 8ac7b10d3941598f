"""Bytes in frames over a socket: four bytes of length, then as many bytes."""

from __future__ import annotations

import socket
import struct
import time

_LENGTH = struct.Struct(">I")
MOST = 2**30
"""Bytes of one frame, at most."""


def send(link: socket.socket, *parts: bytes, deadline: float | None = None) -> None:
    """One frame of `parts`, one after the other. `deadline` is a moment of `time.monotonic`.

    Raises TimeoutError, ValueError for more than MOST bytes, and OSError when nobody listens any more.
    """
    size = sum(map(len, parts))
    if size > MOST:
        raise ValueError(f"A frame holds at most {MOST} bytes, not {size}.")
    for part in (_LENGTH.pack(size), *parts):
        link.settimeout(_left(deadline))
        link.sendall(part)


def receive(link: socket.socket, deadline: float | None = None) -> bytearray:
    """The next frame. Raises TimeoutError, and EOFError when the other side has gone."""
    (size,) = _LENGTH.unpack(_exactly(link, _LENGTH.size, deadline))
    if size > MOST:
        raise EOFError(f"a frame of {size} bytes is none of ours")
    return _exactly(link, size, deadline)


def _exactly(link: socket.socket, size: int, deadline: float | None) -> bytearray:
    held = bytearray(size)
    view, at = memoryview(held), 0
    while at < size:
        link.settimeout(_left(deadline))
        try:
            got = link.recv_into(view[at:])
        except ConnectionError as error:
            raise EOFError("the other side has gone") from error
        if not got:
            raise EOFError("the other side has gone")
        at += got
    return held


def _left(deadline: float | None) -> float | None:
    """Seconds until `deadline`. Raises TimeoutError when it is over."""
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline is over")
    return left
