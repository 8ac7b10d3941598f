"""The online half: `recommend()`, `plan()`, and what they are composed of."""

from reco_plugin.serving.order import order_by_relevance
from reco_plugin.serving.page import Page, aplan, plan
from reco_plugin.serving.photo import asearch_by_photo, search_by_photo
from reco_plugin.serving.recommend import arecommend, recommend

__all__ = [
    "Page",
    "aplan",
    "arecommend",
    "asearch_by_photo",
    "order_by_relevance",
    "plan",
    "recommend",
    "search_by_photo",
]
