"""The jobs as Celery tasks: thin shells, found by `app.autodiscover_tasks()`.

Nothing that runs inside a request calls them: workers find their work in our tables. A message only
says "look now"; whether there is something to do, and who does it, is settled by the job's row. So a
message that comes twice, late or never does no harm, and none is worth keeping: they expire, results are
ignored, and they are acknowledged before the work, which the next tick hands on should the worker die.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import uuid
from dataclasses import asdict
from typing import Any

from reco_plugin import backends, clock, conf
from reco_plugin.beat import EXPIRES
from reco_plugin.jobs import erase as forgetting
from reco_plugin.jobs.running import lease, schedule, shards
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.tick import tick as start_due
from reco_plugin.signals import work_split

try:
    from celery import Task, current_task, shared_task
except ModuleNotFoundError as error:
    if error.name != "celery":
        raise
    raise ModuleNotFoundError(
        "reco_plugin.tasks needs Celery: pip install 'django-reco-plugin[celery]'. Without it, let cron "
        "run `manage.py reco_tick` every minute.",
        name="celery",
    ) from error

log = logging.getLogger(__name__)

SENT_AT = "reco_sent_at"
"""Header of a message."""
GRACE = 60.0
"""Seconds between a job's own limit, Celery's soft limit and its hard one: each should not be needed."""
HELP_SECONDS = 600.0
"""How long a helper goes on taking shards."""
HELP_LIMIT = 3_600.0
"""Longest that a helper may take over its last one."""


class RecoTask(Task):  # type: ignore[misc]
    """What all our tasks have in common. Limits and queue come from the settings."""

    abstract = True
    ignore_result = True
    acks_late = False
    expires = EXPIRES
    job = ""
    limit = 0.0
    """Seconds, for what is no job."""

    @property
    def queue(self) -> str | None:
        """RECO_QUEUE, or what the shop's routes say."""
        return conf.settings.QUEUE or None

    @property
    def soft_time_limit(self) -> float | None:
        """Raises inside the job, should it hang where its own limit is not looked at (prefork only)."""
        seconds = schedule.time_limit(self.job) if self.job else self.limit
        return seconds + GRACE if seconds else None

    @property
    def time_limit(self) -> float | None:
        """Ends the process (prefork only); another one takes the job over."""
        soft = self.soft_time_limit
        return soft + GRACE if soft else None

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """As Celery's; the message also says when it was sent."""
        headers = {SENT_AT: clock.now().isoformat(), **(options.get("headers") or {})}
        return super().apply_async(*args, **{**options, "headers": headers})

    def sent_at(self) -> str | None:
        """When the message being worked on was sent, ISO 8601; None for one of another sender."""
        headers: dict[str, str] = self.request.headers or {}
        found: str | None = self.request.get(SENT_AT) or headers.get(SENT_AT)
        return found


# --- the jobs ------------------------------------------------------------------------------------


def _job(name: str) -> Any:
    """A task that runs the job `name`: at once, or only if it is due."""

    def run(self: RecoTask, site: int | None = None, only_if_due: bool = False) -> str:
        site = backends.site() if site is None else site
        if not only_if_due and _is_answered(name, site, self.sent_at()):
            return "done since"
        found = execute(name, site, only_if_due=only_if_due)
        return found.skipped or str(found.outcome and found.outcome.value)

    return shared_task(run, name=f"reco.{name}", base=RecoTask, bind=True, job=name)


def _is_answered(name: str, site: int, sent_at: str | None) -> bool:
    """Has the job been started after the message was sent? Then this is a second copy of it."""
    if not sent_at:
        return False
    moment = dt.datetime.fromisoformat(sent_at)
    return lease.rows().filter(site=site, name=name, started_at__gt=moment).exists()


sync_items = _job("sync_items")
arrivals = _job("arrivals")
sync_orders = _job("sync_orders")
popular = _job("popular")
lists = _job("lists")
behaviour = _job("behaviour")
train = _job("train")
blend = _job("blend")
score = _job("score")
pictures = _job("pictures")
fine_tune = _job("fine_tune")
encode = _job("encode")
catalogue_map = _job("catalogue_map")
suggest = _job("suggest")
evaluate = _job("evaluate")
drift = _job("drift")
compare = _job("compare")
rollup = _job("rollup")
sweep = _job("sweep")
prune = _job("prune")

JOBS = {
    task.job: task
    for task in (
        sync_items,
        arrivals,
        sync_orders,
        popular,
        lists,
        behaviour,
        train,
        blend,
        score,
        pictures,
        fine_tune,
        encode,
        catalogue_map,
        suggest,
        evaluate,
        drift,
        compare,
        rollup,
        sweep,
        prune,
    )
}


# --- what is due, and who helps ------------------------------------------------------------------


def _tick(site: int | None = None) -> list[str]:
    """Hand to the workers what is due, and ask for helpers while there is split work."""
    site = backends.site() if site is None else site
    started = [one.name for one in start_due(site, start=_hand_over)]
    if conf.settings.ENABLED and (waiting := shards.open_shards(site)):
        _ask_for_help(site, waiting)
    return started


def _hand_over(name: str, site: int) -> None:
    JOBS[name].apply_async(args=[site], kwargs={"only_if_due": True})


def _help_out(site: int | None = None) -> int:
    """Take shards of others' jobs; returns how many were done."""
    return shards.help_out(backends.site() if site is None else site, limit_s=HELP_SECONDS)


def _erase(user: Any = None, visitor: str = "", site: int | None = None) -> dict[str, Any]:
    """Forget a user (by primary key) or a visitor (by the id in their cookie). Twice is harmless."""
    if visitor:
        return asdict(forgetting.erase_visitor(uuid.UUID(visitor), site))
    if user is None:
        raise ValueError("Name a user or a visitor to forget.")
    return asdict(forgetting.erase_user(user, site))


tick = shared_task(_tick, name="reco.tick", base=RecoTask, limit=120.0)
help_out = shared_task(_help_out, name="reco.help_out", base=RecoTask, limit=HELP_LIMIT)
erase = shared_task(_erase, name="reco.erase", base=RecoTask, limit=HELP_LIMIT, expires=None)


def _ask_for_help(site: int, waiting: int) -> None:
    """One message per helper; the worker that runs the job is one more."""
    try:
        for _ in range(min(waiting, conf.settings.HELPERS)):
            help_out.apply_async(args=[site])
    except Exception:  # whatever a broker's client raises
        log.exception("no helpers could be asked for")


def _on_split(site: int, shards: int, **_: Any) -> None:
    """A job of this worker has split its work. The broker may be silent: the job does not wait for it."""
    if current_task and not current_task.request.is_eager:
        asking = threading.Thread(target=_ask_for_help, args=(site, shards - 1), daemon=True)
        asking.start()


work_split.connect(_on_split, dispatch_uid="reco_plugin.tasks")
