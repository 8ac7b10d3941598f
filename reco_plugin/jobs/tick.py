"""Start what is due. Safe to call as often and from as many places as one likes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from reco_plugin import backends, conf
from reco_plugin.jobs.execute import Execution, execute
from reco_plugin.jobs.schedule import Standing, standing
from reco_plugin.stores.base import Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Started:
    """A job that was due."""

    name: str
    why: str
    execution: Execution | None = None
    """None when it was handed to a worker."""


def tick(
    site: int | None = None,
    *,
    start: Callable[[str, int], None] | None = None,
    progress: Progress | None = None,
) -> list[Started]:
    """Read once where the jobs stand, and start those that are due, in running order.

    With `start(name, site)` they are handed to workers; a broker that refuses is logged and tried
    again next time. Without, they run here one after another.
    """
    if not conf.settings.ENABLED:
        return []
    site = backends.site() if site is None else site
    due = [job for job in standing(site) if job.is_due]
    if start is not None:
        return [_handed(job, site, start) for job in due]
    return [_done(job, site, progress) for job in due]


def _handed(job: Standing, site: int, start: Callable[[str, int], None]) -> Started:
    try:
        start(job.spec.name, site)
    except Exception:  # whatever a broker's client raises
        log.exception("job %s of site %s could not be handed to a worker", job.spec.name, site)
    return Started(name=job.spec.name, why=job.why)


def _done(job: Standing, site: int, progress: Progress | None) -> Started:
    found = execute(job.spec.name, site, only_if_due=True, progress=progress)
    return Started(name=job.spec.name, why=job.why, execution=found)
