"""Product recommendations for any Django shop.

Public names are imported lazily, so that importing a trainer in a bare child process imports no Django.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reco_plugin.capture import track as track
    from reco_plugin.catalog import Catalog as Catalog
    from reco_plugin.catalog import OrderMapping as OrderMapping
    from reco_plugin.serving.order import order_by_relevance as order_by_relevance
    from reco_plugin.serving.page import aplan as aplan
    from reco_plugin.serving.page import plan as plan
    from reco_plugin.serving.recommend import arecommend as arecommend
    from reco_plugin.serving.recommend import recommend as recommend

__version__ = "0.1.0"
__all__ = [
    "Catalog",
    "OrderMapping",
    "aplan",
    "arecommend",
    "order_by_relevance",
    "plan",
    "recommend",
    "track",
]

_HOME = {
    "Catalog": "reco_plugin.catalog",
    "OrderMapping": "reco_plugin.catalog",
    "aplan": "reco_plugin.serving",
    "arecommend": "reco_plugin.serving",
    "order_by_relevance": "reco_plugin.serving",
    "plan": "reco_plugin.serving",
    "recommend": "reco_plugin.serving",
    "track": "reco_plugin.capture",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
