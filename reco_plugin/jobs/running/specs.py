"""Which jobs there are, and how often each runs: the one table that names them."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy

from reco_plugin import conf

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from reco_plugin.jobs.running.work import Work

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What a job is and how often it runs."""

    name: str
    title: _StrPromise
    every: float
    """Seconds between two successes; 0: only when asked for."""
    soft_limit: float
    """Seconds after which it is asked to end; 0 for none."""
    work: Callable[[Work], Mapping[str, Any]]
    """Does it; returns a JSON-able report."""
    wanted: Callable[[], bool] = field(default=lambda: True)
    """Is there anything to do in this shop?"""
    after: tuple[str, ...] = ()
    """A newer success of these makes it due."""
    is_quiet: bool = False
    """It looks often and mostly finds nothing: a success with an empty report is not logged."""
    needs: tuple[str, ...] = ()
    """Not by itself before these have succeeded once, where they are wanted."""


def specs() -> Mapping[str, JobSpec]:
    """Every job by name, in running order."""
    return {spec.name: spec for spec in _SPECS}


def interval(name: str) -> float:
    """Seconds between two successes: RECO_INTERVALS over the default; 0: never by itself."""
    return float(conf.settings.INTERVALS.get(name, specs()[name].every))


def time_limit(name: str) -> float:
    """Seconds: RECO_TIME_LIMITS over the default; 0 for none."""
    return float(conf.settings.TIME_LIMITS.get(name, specs()[name].soft_limit))


MOST_PATIENCE = 6 * HOUR
SOON = 2
"""Times in a row that a job whose process was killed is taken over at once; then it has to wait, since
what kills it (its own memory, say) may be what it does."""


def back_off(name: str, failures: int) -> dt.timedelta:
    """How long to wait after that many failures in a row: 1, 2, 4 … minutes, at most the job's interval
    and six hours; between half of that and all of it, so that not all shops come back at once."""
    most = min(interval(name) or MOST_PATIENCE, MOST_PATIENCE)
    seconds = min(MINUTE * 2.0 ** min(failures - 1, 20), most)
    return dt.timedelta(seconds=seconds * random.uniform(0.5, 1.0))  # noqa: S311


def _lazily(module: str) -> Callable[[Work], Mapping[str, Any]]:
    """The module's `work`, imported when it is first run: some of them load the number crunchers."""

    def work(work: Work) -> Mapping[str, Any]:
        found: Mapping[str, Any] = import_module(f"reco_plugin.jobs.{module}").work(work)
        return found

    return work


def _sees() -> bool:
    """Is there an encoder to be had? Where the extra `images` is not installed nobody asks for one."""
    name = conf.settings.ENCODER
    return "." in name or (bool(name) and any(map(find_spec, ("torch", "onnxruntime"))))


_SPECS = (
    JobSpec(
        name="sync_items",
        title=gettext_lazy("Read the catalogue"),
        every=HOUR,
        soft_limit=2 * HOUR,
        work=_lazily("sync_items"),
    ),
    JobSpec(
        name="arrivals",
        title=gettext_lazy("Welcome new products"),
        every=MINUTE / 2,  # due at each tick of every minute, however long the last one took
        soft_limit=10 * MINUTE,
        work=_lazily("arrivals"),
        is_quiet=True,
        needs=("sync_items",),
    ),
    JobSpec(
        name="sync_orders",
        title=gettext_lazy("Read the orders"),
        every=10 * MINUTE,
        soft_limit=HOUR,
        work=_lazily("sync_orders"),
        wanted=lambda: bool(conf.settings.ORDERS),
    ),
    JobSpec(
        name="popular",
        title=gettext_lazy("Count what is popular"),
        every=HOUR,
        soft_limit=HOUR,
        work=_lazily("popular"),
        needs=("sync_items", "sync_orders"),
    ),
    JobSpec(
        name="lists",
        title=gettext_lazy("Rank what trends, converts, is rarely shown or on sale"),
        every=HOUR,
        soft_limit=HOUR,
        work=_lazily("lists"),
        needs=("sync_items", "sync_orders"),
    ),
    JobSpec(
        name="behaviour",
        title=gettext_lazy("Find what goes with what"),
        every=DAY,
        soft_limit=2 * HOUR,
        work=_lazily("behaviour"),
        needs=("sync_items", "sync_orders"),
    ),
    JobSpec(
        name="train",
        title=gettext_lazy("Train"),
        every=DAY,
        soft_limit=6 * HOUR,
        work=_lazily("train"),
        needs=("sync_items", "sync_orders"),
    ),
    JobSpec(
        name="blend",
        title=gettext_lazy("Learn which source to believe"),
        every=DAY,
        soft_limit=6 * HOUR,
        work=_lazily("blend"),
        wanted=lambda: bool(conf.settings.BLEND),
        needs=("behaviour", "train"),
    ),
    JobSpec(
        name="score",
        title=gettext_lazy("Find similar products in advance"),
        every=DAY,
        soft_limit=2 * HOUR,
        work=_lazily("score"),
        after=("train",),
        needs=("train",),
    ),
    JobSpec(
        name="pictures",
        title=gettext_lazy("Read the pictures of products"),
        every=HOUR,
        soft_limit=6 * HOUR,
        work=_lazily("pictures"),
        wanted=_sees,
        needs=("sync_items",),
    ),
    JobSpec(
        name="fine_tune",
        title=gettext_lazy("Teach an encoder to see the products"),
        every=HOUR,  # whether it is time, and enough has changed, it finds out itself
        soft_limit=12 * HOUR,
        work=_lazily("fine_tune"),
        wanted=_sees,
        needs=("pictures", "behaviour"),
    ),
    JobSpec(
        name="encode",
        title=gettext_lazy("Look at the pictures of products"),
        every=HOUR,
        soft_limit=12 * HOUR,
        work=_lazily("encode"),
        wanted=_sees,
        after=("pictures", "fine_tune"),
        needs=("fine_tune",),
    ),
    JobSpec(
        name="catalogue_map",
        title=gettext_lazy("Draw the map of the catalogue"),
        every=DAY,
        soft_limit=HOUR,
        work=_lazily("catalogue_map"),
        wanted=_sees,
        after=("encode",),
    ),
    JobSpec(
        name="suggest",
        title=gettext_lazy("Suggest missing facts from pictures"),
        every=DAY,
        soft_limit=2 * HOUR,
        work=_lazily("suggest"),
        wanted=_sees,
        after=("encode",),
    ),
    JobSpec(
        name="evaluate",
        title=gettext_lazy("Measure quality"),
        every=DAY,
        soft_limit=2 * HOUR,
        work=_lazily("hindsight"),
        needs=("train",),
    ),
    JobSpec(
        name="drift",
        title=gettext_lazy("Watch for drift"),
        every=DAY,
        soft_limit=HOUR,
        work=_lazily("drift"),
        needs=("train",),
        after=("evaluate",),
    ),
    JobSpec(
        name="compare",
        title=gettext_lazy("Compare the recommenders"),
        every=0,  # it costs as much as several trainings: only when asked for, or by RECO_INTERVALS
        soft_limit=6 * HOUR,
        work=_lazily("compare"),
        needs=("sync_items", "sync_orders"),
    ),
    JobSpec(
        name="rollup",
        title=gettext_lazy("Add up daily totals"),
        every=HOUR,
        soft_limit=HOUR,
        work=_lazily("rollup"),
    ),
    JobSpec(
        name="sweep",
        title=gettext_lazy("Put right what the shop deleted"),
        every=DAY,
        soft_limit=HOUR,
        work=_lazily("sweep"),
    ),
    JobSpec(
        name="prune",
        title=gettext_lazy("Let go of what is old"),
        every=DAY,
        soft_limit=2 * HOUR,
        work=_lazily("retention"),
    ),
)
