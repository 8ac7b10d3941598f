"""What shoppers look at after they looked at this."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.related import BehaviourSource


class ViewedViewed(BehaviourSource):
    name: ClassVar[str] = "viewed_viewed"
    relation: ClassVar[str] = "viewed_viewed"
    says: ClassVar[str] = "viewed_after"
