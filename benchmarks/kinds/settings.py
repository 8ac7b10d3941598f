"""The example shop on the benchmarks' own database, with time for every statement: quality is judged here."""

from __future__ import annotations

import os

from benchmarks import settings

os.environ["DATABASE_URL"] = "postgresql:///unused"

from example_shop.project.settings import *  # noqa: F403

DATABASES = settings.DATABASES
RECO_ARTEFACT_DIR = os.environ["BENCH_FOLDER"]
RECO_STATEMENT_TIMEOUT_MS = 10_000
LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"level": "CRITICAL"}}
