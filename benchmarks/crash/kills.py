"""A job is killed, and whoever polls takes it over."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from benchmarks.crash import books
from benchmarks.crash.doing import Task, do
from benchmarks.crash.found import POLL, Found
from benchmarks.crash.moments import Known, Moment

if TYPE_CHECKING:
    from benchmarks.crash.shop import Shop

GIVE_UP = 120.0
"""Seconds after which a job counts as never completed."""
PATIENCE = 5.0
"""Seconds that the children of a killed process may take to notice."""
TRIES = 4
"""Times a moment that was missed is tried; a job may go another way, or be over too soon."""
_dice = random.Random(2)


def kill_and_take_over(moment: Moment, known: Known, shop: Shop, found: Found) -> None:
    """Once, unless the moment never comes."""
    from reco_plugin.testing.killing import orphans

    for _ in range(TRIES):
        shop.stir(moment.job, is_late=moment.is_late)
        task = Task(job=moment.job, is_late=moment.is_late, turn=shop.turn)
        with orphans() as left:
            is_killed = _kill(moment, task, known)
            if is_killed:
                found.kills[moment.job] += 1
                _look_after(moment, task, time.monotonic(), shop, found)
        found.strays += [f"process {pid} of {moment}" for pid in left(PATIENCE)]
        if is_killed:
            return
    found.missed += 1


def _kill(moment: Moment, task: Task, known: Known) -> bool:
    from reco_plugin.testing.killing import killed_after, killed_at, killed_before

    def work() -> object:
        return do(task)

    if isinstance(moment.at, int):
        return killed_before(moment.at, work) and _is_held(moment.job)
    if moment.at is not None:
        return killed_at(moment.at, work)
    killed_after(_dice.uniform(0.05, known.seconds[moment.job] + 0.05), work)
    return _is_held(moment.job)


def _is_held(name: str) -> bool:
    """Otherwise it was killed before it took the job, or after it let go."""
    from reco_plugin.models import Job

    return Job.objects.filter(name=name).exclude(token=None).exists()


def _look_after(moment: Moment, task: Task, killed: float, shop: Shop, found: Found) -> None:
    books.check(shop, found, str(moment))
    if _take_over(moment, task, killed, found):
        books.check(shop, found, f"after {moment}", done=moment.job)


def _take_over(moment: Moment, task: Task, killed: float, found: Found) -> bool:
    """Poll as a beat would; did it come to a good end?"""
    from reco_plugin.models import Job

    while time.monotonic() - killed < GIVE_UP:
        before = time.monotonic()
        done = do(task, only_if_due=True)
        if not done.skipped:
            found.waits.append(before - killed)
            break
        time.sleep(POLL)
    row = Job.objects.get(name=moment.job)
    is_over = not (done.skipped or done.error or row.token or row.checkpoint)
    if not is_over:
        found.unfinished.append(f"{moment}: {done.error or done.skipped or 'its lease is held'}")
    return is_over
