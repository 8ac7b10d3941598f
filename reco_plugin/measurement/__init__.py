"""What was shown, and what was clicked."""

from reco_plugin.measurement.clicks import ClickToken, click_token, read_token, record_click
from reco_plugin.measurement.impressions import record_impressions, was_recorded

__all__ = [
    "ClickToken",
    "click_token",
    "read_token",
    "record_click",
    "record_impressions",
    "was_recorded",
]
