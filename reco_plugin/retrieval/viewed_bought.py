"""What shoppers buy in the end after they looked at this."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.related import BehaviourSource


class ViewedBought(BehaviourSource):
    name: ClassVar[str] = "viewed_bought"
    relation: ClassVar[str] = "viewed_bought"
    says: ClassVar[str] = "bought_after_viewing"
