"""Products that look like the anchors, by their pictures alone: from the first day, before anybody did anything."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.similar import Similar


class VisuallySimilar(Similar):
    """Colour, category and whom it is for are the placement's to decide: its guards and filters."""

    name: ClassVar[str] = "visually_similar"
    says: ClassVar[str] = "looks_like"
    of: ClassVar[str] = "visual"
    needs: ClassVar[str] = "visual"
