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


LIBRARIES = ("reco", "reco_bundle", "reco_interests", "reco_mail")


@register.simple_tag(name="recommend")
@register.simple_tag(name="recopage")
@register.simple_tag(name="reco_interests")
def nothing(*_: Any, **__: Any) -> str:
    return ""


@register.filter(name="absolute")
@register.filter(name="total_price")
def unchanged(value: Any) -> Any:
    return value


def stand_in() -> None:
    """Make what the shop imports of `reco_plugin` find these instead of the real ones."""
    package = _module("reco_plugin", order_by_relevance=lambda rows, *_, **__: rows)
    package.__path__ = []
    _module("reco_plugin.signals", **{name: Signal() for name in SIGNALS})
    _module("reco_plugin.capture", identify=lambda _request: None)
    _module("reco_plugin.beat", BEAT_SCHEDULE={})
    _module("reco_plugin.types", Shopper=object)
    _module("reco_plugin.serving").__path__ = []
    _module("reco_plugin.serving.facets", plan_facets=lambda *_, **__: {})


def _module(name: str, **holds: Any) -> types.ModuleType:
    made = sys.modules[name] = types.ModuleType(name)
    vars(made).update(holds)
    return made
