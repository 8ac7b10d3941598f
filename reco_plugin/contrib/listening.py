"""Connect receivers of our own signals once, and let them go again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.dispatch import Signal

Receivers = Sequence[tuple[Signal, Callable[..., Any]]]


def connect(receivers: Receivers) -> None:
    """Listen. May be called again."""
    for signal, receiver in receivers:
        signal.connect(receiver, dispatch_uid=_uid(receiver), weak=False)


def disconnect(receivers: Receivers) -> None:
    """Listen no longer."""
    for signal, receiver in receivers:
        signal.disconnect(dispatch_uid=_uid(receiver))


def _uid(receiver: Callable[..., Any]) -> str:
    return f"{receiver.__module__}.{receiver.__name__}"
