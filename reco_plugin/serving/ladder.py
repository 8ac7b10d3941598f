"""The fallback ladder: personal → contextual → popular in category → popular → nothing.

Each rung reads in a bounded window of its own, so that one that fails or times out costs the slate
nothing but that rung; what a better rung found stays, the next one fills up.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType

from django.db import Error, ProgrammingError

from reco_plugin import conf
from reco_plugin.exceptions import StoreError
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.reads import Unavailable, bounded, is_lost, why
from reco_plugin.serving.rungs import NothingToGoBy, Rungs
from reco_plugin.types import Rung

logger = logging.getLogger(__name__)


def climb(ask: Ask) -> Filling:
    """Try rung after rung until the slate is full; what a database raises becomes a note."""
    filling = Filling(limit=ask.limit, first=ask.rungs[0])
    rungs = Rungs(ask, filling)
    for rung in ask.rungs:
        if rung is Rung.NOTHING or filling.missing <= 0:
            break
        try:
            _try(rung, rungs)
        except Unavailable as error:
            filling.note(f"database: {error}")
            break
    return filling


def _try(rung: Rung, rungs: Rungs, *, again: bool = True) -> None:
    try:
        with _window(rungs, rungs.settings(rung)):
            rungs.fill(rung)
    except NothingToGoBy as reason:
        rungs.filling.note(f"{rung}: {reason}")
    except (Error, StoreError) as error:
        if again and isinstance(error, ProgrammingError | StoreError) and _has_moved(rungs):
            _try(rung, rungs, again=False)
        else:
            _failed(rung, rungs, error)


def _window(
    rungs: Rungs, settings: Mapping[str, str] = MappingProxyType({})
) -> AbstractContextManager[None]:
    return bounded(rungs.ask.using, conf.settings.STATEMENT_TIMEOUT_MS, settings)


def _has_moved(rungs: Rungs) -> bool:
    """A run may have been dropped since this process last looked which is live; look again."""
    before = rungs.live
    try:
        with _window(rungs):
            rungs.look_again()
    except Error:
        return False
    return before is not None and rungs.live != before


def _failed(rung: Rung, rungs: Rungs, error: Exception) -> None:
    logger.warning("The %s rung did not answer: %s", rung, error)
    rungs.filling.note(f"{rung}: {why(error)}")
    if is_lost(rungs.ask.using):
        raise Unavailable("the connection is lost") from error
