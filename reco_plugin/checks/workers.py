"""The jobs: their schedule, who starts them, and what their processes share."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import Error, Tags
from django.core.checks import Warning as Caution

from reco_plugin import conf
from reco_plugin.checks.paths import did_you_mean
from reco_plugin.checks.registration import Messages, check
from reco_plugin.jobs.running.specs import specs

OF_ONE_PROCESS = ("locmem.LocMemCache", "dummy.DummyCache")
BROKER_SETTINGS = ("CELERY_BROKER_URL", "BROKER_URL")


@check()
def schedule(databases: Sequence[str]) -> Messages:
    """reco.E010"""
    for name in ("INTERVALS", "TIME_LIMITS"):
        values: Mapping[Any, Any] = getattr(conf.settings, name)
        for problem, hint in _bad_seconds(values):
            yield Error(f"RECO_{name}: {problem}", hint=hint, id="reco.E010")


def _bad_seconds(values: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    known = list(specs())
    for job, seconds in values.items():
        if job not in known:
            hint = did_you_mean(str(job), known) or f"There are {', '.join(known)}."
            yield f"there is no job {job!r}.", hint
        elif not _is_seconds(seconds):
            yield (
                f"{job!r}: {seconds!r} is no number of seconds.",
                "Write a number; 0 turns it off.",
            )


def _is_seconds(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value >= 0


# --- Celery -------------------------------------------------------------------------------------------


@check()
def celery_beat(databases: Sequence[str]) -> Messages:
    """reco.W014"""
    schedules = _beat_schedules()
    if schedules is None or _has_other_scheduler():
        return
    tasks = [str(entry.get("task", "")) for found in schedules for entry in found.values()]
    if not any(task.startswith("reco.") for task in tasks):
        yield Caution(
            "Celery is configured, but beat starts none of our tasks, so the jobs do not run by themselves.",
            hint="from reco_plugin.beat import BEAT_SCHEDULE; CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}. "
            "Silence this where cron runs reco_tick.",
            id="reco.W014",
        )


@check()
def celery_tasks(databases: Sequence[str]) -> Messages:
    """reco.W015"""
    app = _celery_app()
    if app is None or "reco_plugin.tasks" in sys.modules or _looks_for_tasks(app):
        return
    yield Caution(
        f"The Celery app {app.main!r} does not look for tasks, so its workers know none of ours.",
        hint="Call app.autodiscover_tasks() after app.config_from_object(…).",
        id="reco.W015",
    )


def _beat_schedules() -> list[Mapping[str, Any]] | None:
    """Every schedule in sight; None where Celery is not in use."""
    app = _celery_app()
    if app is None and not any(getattr(django_settings, name, "") for name in BROKER_SETTINGS):
        return None
    found = [getattr(django_settings, "CELERY_BEAT_SCHEDULE", None) or {}]
    if app is not None:
        found.append(app.conf.beat_schedule or {})
    return found


def _has_other_scheduler() -> bool:
    """One that keeps its entries elsewhere, such as in the database."""
    installed = "django_celery_beat" in django_settings.INSTALLED_APPS
    return installed or bool(getattr(django_settings, "CELERY_BEAT_SCHEDULER", ""))


def _celery_app() -> Any:
    """The project's Celery app, if this process has loaded one; Celery is not imported for it."""
    celery = sys.modules.get("celery")
    app = celery.current_app if celery else None
    return app if app is not None and app.main not in (None, "default") else None


def _looks_for_tasks(app: Any) -> bool:
    named = [*(app.conf.include or ()), *(app.conf.imports or ())]
    signals = sys.modules.get("celery.signals")
    waiting = signals.import_modules.receivers or () if signals else ()
    promised = [type(receiver).__name__ for _, receiver in waiting]
    return "reco_plugin.tasks" in named or any("promise" in name for name in promised)


# --- what processes share -----------------------------------------------------------------------------


@check(Tags.caches, deploy=True)
def shared_cache(databases: Sequence[str]) -> Messages:
    """reco.W016, only under `check --deploy`"""
    backend = str(django_settings.CACHES.get("default", {}).get("BACKEND", ""))
    if backend.endswith(OF_ONE_PROCESS):
        yield Caution(
            f"The default cache ({backend.rpartition('.')[2]}) is local to one of several processes.",
            hint="Use Redis, Memcached or the database cache; silence this if one process serves all.",
            id="reco.W016",
        )
