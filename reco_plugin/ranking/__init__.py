"""From candidates to an ordered list. Plain Python: lists in, lists out, nothing changed in place."""

from reco_plugin.ranking.select import exclude, unique

__all__ = ["exclude", "unique"]
