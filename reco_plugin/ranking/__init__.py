"""From candidates to an ordered list. Plain Python: lists in, lists out, nothing changed in place."""

from reco_plugin.ranking.blend import blend
from reco_plugin.ranking.select import collapse, exclude, fill, unique

__all__ = ["blend", "collapse", "exclude", "fill", "unique"]
