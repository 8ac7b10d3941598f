"""Tables only, one file per stage."""

from reco_plugin.models.exposure import Click, Impression
from reco_plugin.models.interactions import Dropped, Interaction, OrderCursor, VisitorLink
from reco_plugin.models.items import Item
from reco_plugin.models.runs import ActiveRun, Run, RunStatus
from reco_plugin.models.vectors import RankedList, VectorBlock

__all__ = [
    "ActiveRun",
    "Click",
    "Dropped",
    "Impression",
    "Interaction",
    "Item",
    "OrderCursor",
    "RankedList",
    "Run",
    "RunStatus",
    "VectorBlock",
    "VisitorLink",
]
