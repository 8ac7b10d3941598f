"""The checks; the only module that imports health_check.

A shop whose recommendations are down must not be taken out of a load balancer for it: unless told
otherwise by `may_fail`, a check logs what is wrong and answers OK.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any

from health_check.base import HealthCheck, HealthCheckResult
from health_check.exceptions import ServiceUnavailable

from reco_plugin import conf
from reco_plugin.contrib.figures import connection_as_before
from reco_plugin.contrib.health_check.troubles import Patience, of_process, of_tables

logger = logging.getLogger("reco_plugin.contrib.health_check")
_said: dict[str, str] = {}


class _Reporting(HealthCheck):  # type: ignore[misc]
    """Lets no error through that it was not asked for: not even that it took too long to look."""

    may_fail: bool

    async def get_result(self, *args: Any) -> HealthCheckResult:
        found = await super().get_result(*args)
        if found.error is not None and not self.may_fail:
            found.error = None
        return found


@dataclasses.dataclass(repr=False)
class Live(_Reporting):
    """Has this process given the database up? Asks no database."""

    may_fail: bool = False

    def run(self) -> None:
        """Raises ServiceUnavailable with what is wrong, where it may fail."""
        _say(repr(self), of_process(), may_fail=self.may_fail)

    def __repr__(self) -> str:
        return "Recommendations: live"


@dataclasses.dataclass(repr=False)
class Ready(_Reporting):
    """Is a run live and readable, a worker there, and no job long due or failing again and again?"""

    may_fail: bool = False
    worker: dt.timedelta = dataclasses.field(default=dt.timedelta(hours=1), repr=False)
    late: dt.timedelta = dataclasses.field(default=dt.timedelta(hours=1), repr=False)
    failures: int = dataclasses.field(default=3, repr=False)

    def run(self) -> None:
        """Raises ServiceUnavailable with what is wrong, where it may fail."""
        patience = Patience(worker=self.worker, late=self.late, failures=self.failures)
        with connection_as_before(conf.settings.DATABASE):
            troubles = [*of_process(), *of_tables(patience)]
        _say(repr(self), troubles, may_fail=self.may_fail)

    def __repr__(self) -> str:
        return "Recommendations: ready"


def _say(check: str, troubles: Iterable[str], *, may_fail: bool) -> None:
    """Log trouble once as long as it is the same: a balancer asks every few seconds."""
    words = "; ".join(troubles) if conf.settings.ENABLED else ""
    if words and may_fail:
        raise ServiceUnavailable(words)
    if words != _said.get(check, ""):
        level = logging.WARNING if words else logging.INFO
        logger.log(level, "%s: %s", check, words or "all is well again")
    _said[check] = words
