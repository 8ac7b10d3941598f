"""Start what is due. Safe to call as often and from as many places as one likes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from reco_plugin import backends, conf
from reco_plugin.jobs.running import lease, shards
from reco_plugin.jobs.running.execute import Execution, execute
from reco_plugin.jobs.running.schedule import Standing, standing
from reco_plugin.stores.base import Progress

log = logging.getLogger(__name__)

Start: TypeAlias = Callable[[str, int], Any]
"""(name, site): hand a job to a worker, which calls `execute(name, site, only_if_due=True)`."""


@dataclass(frozen=True, kw_only=True)
class Started:
    """A job that was due."""

    name: str
    why: str
    execution: Execution | None = None
    """None when it was handed to a worker."""

    def as_json(self) -> dict[str, Any]:
        execution = self.execution and self.execution.as_json()
        return {"job": self.name, "why": self.why, "execution": execution}


def tick(
    site: int | None = None,
    *,
    start: Start | None = None,
    progress: Progress | None = None,
) -> list[Started]:
    """Read once where the jobs stand, and start those that are due, in running order.

    With `start` they are handed to workers: each at most once in five minutes, from however many
    beats; a broker that refuses is logged and asked again next time. Without, they run here one after
    another, and then shards are done of work that others have split.
    """
    if not conf.settings.ENABLED:
        return []
    site = backends.site() if site is None else site
    due = [job for job in standing(site) if job.is_due]
    if start is None:
        done = [_done(job, site, progress) for job in due]
        _help(site)
        return done
    return [
        Started(name=job.spec.name, why=job.why)
        for job in due
        if not job.is_offered and _handed_over(job, site, start)
    ]


def _handed_over(job: Standing, site: int, start: Start) -> bool:
    name = job.spec.name
    if not lease.offer(site, name):
        return False
    try:
        start(name, site)
    except Exception:  # whatever a broker's client raises
        log.exception("job %s of site %s could not be handed to a worker", name, site)
        lease.withdraw(site, name)
        return False
    return True


def _help(site: int) -> None:
    """Do shards of others' jobs until there are none or a job is due, such as one whose worker died."""
    while shards.help_out(site, limit_s=lease.pause()):
        if any(job.is_due for job in standing(site)):
            return


def _done(job: Standing, site: int, progress: Progress | None) -> Started:
    found = execute(job.spec.name, site, only_if_due=True, progress=progress)
    return Started(name=job.spec.name, why=job.why, execution=found)
