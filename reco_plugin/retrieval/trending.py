"""What more shoppers want today than usual."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.ranked import ListSource


class Trending(ListSource):
    name: ClassVar[str] = "trending"
    of: ClassVar[str] = "trending"
    says: ClassVar[str] = "trending"
