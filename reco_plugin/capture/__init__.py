"""Who is this, and what did they do. Never hurts the shop: nothing here raises into a request."""

from reco_plugin.capture.attempts import attempt
from reco_plugin.capture.bots import is_bot
from reco_plugin.capture.gate import is_recordable
from reco_plugin.capture.identity import identify, shopper_id, shopper_of
from reco_plugin.capture.lifecycle import after_response
from reco_plugin.capture.recording import record
from reco_plugin.capture.tracking import track
from reco_plugin.capture.writing import write

__all__ = [
    "after_response",
    "attempt",
    "identify",
    "is_bot",
    "is_recordable",
    "record",
    "shopper_id",
    "shopper_of",
    "track",
    "write",
]
