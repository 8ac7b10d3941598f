"""Tables only, one file per stage."""

from reco_plugin.models.exposure import Click, Impression
from reco_plugin.models.interactions import Dropped, Interaction, OrderCursor, VisitorLink
from reco_plugin.models.items import Item
from reco_plugin.models.merchandising import Interest, ManualLink, Page, Placement
from reco_plugin.models.pictures import Picture, PictureState, PictureVector, Suggestion
from reco_plugin.models.runs import COMPARISON, LISTED, RUN_KINDS, ActiveRun, Run, RunStatus
from reco_plugin.models.totals import DailyTotal
from reco_plugin.models.vectors import Neighbours, RankedList, Related, VectorBlock
from reco_plugin.models.work import Job, JobLog, Outcome, Shard

__all__ = [
    "COMPARISON",
    "LISTED",
    "RUN_KINDS",
    "ActiveRun",
    "Click",
    "DailyTotal",
    "Dropped",
    "Impression",
    "Interaction",
    "Interest",
    "Item",
    "Job",
    "JobLog",
    "ManualLink",
    "Neighbours",
    "OrderCursor",
    "Outcome",
    "Page",
    "Picture",
    "PictureState",
    "PictureVector",
    "Placement",
    "RankedList",
    "Related",
    "Run",
    "RunStatus",
    "Shard",
    "Suggestion",
    "VectorBlock",
    "VisitorLink",
]
