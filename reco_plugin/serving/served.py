"""Tells instruments of each slate: the signal, and `Server-Timing` while DEBUG is on."""

from __future__ import annotations

from django.http import HttpRequest

from reco_plugin.capture.lifecycle import Served, state_of
from reco_plugin.signals import slate_served
from reco_plugin.types import Slate


def tell(slate: Slate, seconds: float, request: HttpRequest | None) -> None:
    """`seconds` is what the whole slate took. Never raises."""
    if request is not None:
        told = Served(slate.placement, str(slate.rung), 1_000 * seconds)
        state_of(request).served.append(told)
    if slate_served.has_listeners(Slate):
        rungs = {name: spent / 1_000 for name, spent in slate.timings.items()}
        slate_served.send_robust(Slate, slate=slate, seconds=seconds, rungs=rungs)
