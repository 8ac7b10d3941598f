"""The online half: `recommend()`, `plan()`, and what they are composed of."""

from reco_plugin.serving.order import order_by_relevance
from reco_plugin.serving.page import Page, aplan, plan
from reco_plugin.serving.recommend import arecommend, recommend

__all__ = ["Page", "aplan", "arecommend", "order_by_relevance", "plan", "recommend"]
