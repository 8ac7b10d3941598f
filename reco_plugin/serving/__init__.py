"""The online half: `recommend()` and what it is composed of."""

from reco_plugin.serving.recommend import arecommend, recommend

__all__ = ["arecommend", "recommend"]
