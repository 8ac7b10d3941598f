"""One photo at a time for each visitor, as far as this process can tell. Nothing is kept but while it lasts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator

from django.http import HttpRequest

from reco_plugin import capture

_lock = threading.Lock()
_busy: set[bytes] = set()


@contextlib.contextmanager
def one_at_a_time(request: HttpRequest) -> Iterator[bool]:
    """Yields False where this visitor's last one is not done. Who cannot be told apart is not held up."""
    who = _who(request)
    with _lock:
        is_free = who is None or who not in _busy
        if who is not None and is_free:
            _busy.add(who)
    try:
        yield is_free
    finally:
        if who is not None and is_free:
            with _lock:
                _busy.discard(who)


def _who(request: HttpRequest) -> bytes | None:
    """By visitor id where there is consent, else by the cookie that the form is protected with."""
    shopper = capture.identify(request)
    if shopper is not None and not shopper.is_new:
        return shopper.id.bytes
    secret = request.META.get("CSRF_COOKIE", "")
    return hashlib.sha256(str(secret).encode()).digest() if secret else None


def _forked() -> None:
    global _lock  # noqa: PLW0603 - locks do not survive a fork
    _lock = threading.Lock()
    _busy.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
