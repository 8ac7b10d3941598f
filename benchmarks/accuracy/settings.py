"""The benchmark shop, asked only for what is new to a shopper, with time for every statement."""

from __future__ import annotations

from benchmarks.settings import *  # noqa: F403

RECO_EXCLUDE_PURCHASED_DAYS = 36_500
RECO_STATEMENT_TIMEOUT_MS = 10_000
RECO_MIN_INTERACTIONS = 100
RECO_MIN_SHOPPERS = 20
LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"level": "CRITICAL"}}
