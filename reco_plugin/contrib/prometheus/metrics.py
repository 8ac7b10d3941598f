"""The metrics themselves; the only module that imports prometheus_client."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Callable, Iterator

from django.db import Error
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from reco_plugin import clock
from reco_plugin.contrib.figures import Figures, latest
from reco_plugin.jobs.running.schedule import Standing

__all__ = ["CONTENT_TYPE_LATEST", "exposition"]

logger = logging.getLogger(__name__)

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0)
_LONG = (0.1, 1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800)
_SIZES = (0, 1, 2, 4, 6, 8, 12, 16, 24, 48, 100)

SLATES = Counter("reco_slates", "Slates served, by the best rung in them.", ["placement", "rung"])
SLATE_SECONDS = Histogram(
    "reco_slate_seconds", "Time one slate took.", ["placement"], buckets=_QUICK
)
RUNG_SECONDS = Histogram(
    "reco_rung_seconds", "Time spent on one rung of a slate.", ["rung"], buckets=_QUICK
)
SLATE_ITEMS = Histogram("reco_slate_items", "Products in a slate.", ["placement"], buckets=_SIZES)
CLICKS = Counter("reco_clicks", "Clicks on recommendations.", ["placement"])
DROPPED = Counter("reco_events_dropped", "Events left out.", ["reason"])
JOBS = Counter("reco_jobs", "Jobs that ended.", ["job", "outcome"])
JOB_SECONDS = Histogram("reco_job_seconds", "Time one job took.", ["job"], buckets=_LONG)
STAGE_SECONDS = Histogram(
    "reco_job_stage_seconds", "Time one stage of a job took.", ["job", "stage"], buckets=_LONG
)
NEW_RUNS = Counter("reco_new_runs", "Runs trained, by what became of them.", ["kind", "status"])
BREAKER = Gauge(
    "reco_breaker_state",
    "0 closed, 1 half open, 2 open: the worst of this host's processes.",
    ["breaker"],
    multiprocess_mode="livemax",
)
BREAKER_CHANGES = Counter("reco_breaker_changes", "Changes of a breaker.", ["breaker", "state"])
OWN = (
    SLATES,
    SLATE_SECONDS,
    RUNG_SECONDS,
    SLATE_ITEMS,
    CLICKS,
    DROPPED,
    JOBS,
    JOB_SECONDS,
    STAGE_SECONDS,
    NEW_RUNS,
    BREAKER,
    BREAKER_CHANGES,
)

_PER_JOB: tuple[tuple[str, str, Callable[[Standing], float | None]], ...] = (
    (
        "reco_job_last_success_timestamp_seconds",
        "When the job last succeeded; 0 for never.",
        lambda job: _timestamp(job.row.succeeded_at if job.row else None),
    ),
    (
        "reco_job_due_timestamp_seconds",
        "When the job starts by itself; none while it runs, is paused or waits for another.",
        lambda job: None if job.is_running or job.due_at is None else _timestamp(job.due_at),
    ),
    (
        "reco_job_failures",
        "Failures of the job in a row.",
        lambda job: job.row.failures if job.row else 0,
    ),
    ("reco_job_running", "1 while a worker runs the job.", lambda job: job.is_running),
    ("reco_job_stale", "1 when its worker fell silent.", lambda job: job.is_stale),
    (
        "reco_job_paused",
        "1 when an operator paused it.",
        lambda job: bool(job.row and job.row.is_paused),
    ),
)
_PER_SITE: tuple[tuple[str, str, str], ...] = (
    (
        "reco_orders_synced_timestamp_seconds",
        "When orders were last read from the shop's tables.",
        "orders_synced",
    ),
    ("reco_last_event_timestamp_seconds", "When the latest event happened.", "last_events"),
    (
        "reco_worker_seen_timestamp_seconds",
        "When a worker last gave a sign of life.",
        "workers_seen",
    ),
)
_LIVE_RUN = ("reco_live_run_timestamp_seconds", "When the run that is live was begun.")
_UP = ("reco_tables_up", "1 when the figures below could be read from our tables.")


class TablesCollector(Collector):
    """Gauges read from our tables at a scrape, at most every few seconds. Never raises."""

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Names only, so that registering asks no database."""
        for name, text in self.names():
            yield GaugeMetricFamily(name, text)

    @staticmethod
    def names() -> list[tuple[str, str]]:
        return [
            _UP,
            _LIVE_RUN,
            *((name, text) for name, text, _ in _PER_JOB),
            *((name, text) for name, text, _ in _PER_SITE),
        ]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            found = latest()
        except Exception as error:  # the shop's own metrics are in the same answer
            logger.warning(
                "Figures could not be read: %s",
                type(error).__name__,
                exc_info=None if isinstance(error, Error) else error,
            )
            yield GaugeMetricFamily(*_UP, value=0)
            return
        yield GaugeMetricFamily(*_UP, value=1)
        yield from _families(found)


def _families(found: Figures) -> Iterator[GaugeMetricFamily]:
    live = GaugeMetricFamily(*_LIVE_RUN, labels=["site", "kind"])
    for (site, kind), begun in found.live_runs.items():
        live.add_metric([str(site), kind], _timestamp(begun))
    yield live
    for name, text, attribute in _PER_SITE:
        family = GaugeMetricFamily(name, text, labels=["site"])
        for site, moment in getattr(found, attribute).items():
            family.add_metric([str(site)], _timestamp(moment))
        yield family
    for name, text, value_of in _PER_JOB:
        yield _per_job(GaugeMetricFamily(name, text, labels=["site", "job"]), found, value_of)


def _per_job(
    family: GaugeMetricFamily, found: Figures, value_of: Callable[[Standing], float | None]
) -> GaugeMetricFamily:
    for site, jobs in found.jobs.items():
        for job in jobs:
            if (value := value_of(job)) is not None:
                family.add_metric([str(site), job.spec.name], float(value))
    return family


def _timestamp(moment: dt.datetime | None) -> float:
    known = clock.aware(moment)
    return known.timestamp() if known else 0.0


REGISTRY.register(TablesCollector())


def exposition() -> bytes:
    """All metrics of this process; with PROMETHEUS_MULTIPROC_DIR, of all processes of this host."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(TablesCollector())
    return generate_latest(registry)
