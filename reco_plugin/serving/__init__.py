"""The online half: `recommend()` and what it is composed of."""

from reco_plugin.serving.order import order_by_relevance
from reco_plugin.serving.recommend import arecommend, recommend

__all__ = ["arecommend", "order_by_relevance", "recommend"]
