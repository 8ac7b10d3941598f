"""What stands in for `reco_plugin` in a shop that has none: signals nobody hears, a tag that is empty."""

from __future__ import annotations

import sys
import types
from typing import Any

from django import template
from django.dispatch import Signal

register = template.Library()
SIGNALS = (
    "basket_item_added",
    "basket_item_removed",
    "order_completed",
    "order_refunded",
    "product_viewed",
    "product_wishlisted",
    "search_performed",
)


@register.simple_tag
def recommend(*_: Any, **__: Any) -> str:
    return ""


def stand_in() -> None:
    """Make `import reco_plugin.signals` and `.capture` find these instead of the real ones."""
    package, signals = types.ModuleType("reco_plugin"), types.ModuleType("reco_plugin.signals")
    for name in SIGNALS:
        setattr(signals, name, Signal())
    capture = types.ModuleType("reco_plugin.capture")
    capture.identify = lambda _request: None  # type: ignore[attr-defined]
    beat = types.ModuleType("reco_plugin.beat")
    beat.BEAT_SCHEDULE = {}  # type: ignore[attr-defined]
    package.__path__ = []
    sys.modules |= {
        "reco_plugin": package,
        "reco_plugin.signals": signals,
        "reco_plugin.capture": capture,
        "reco_plugin.beat": beat,
    }
