"""A write in a request: one short try, and if the database is out, more of them in the background."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from reco_plugin import conf
from reco_plugin.bounded import bounded_writes
from reco_plugin.breaker import Refused, breaker
from reco_plugin.capture import background, drops
from reco_plugin.capture.lifecycle import guarded
from reco_plugin.outages import in_words, is_of_database, is_passing

logger = logging.getLogger(__name__)

PATIENT_MS = 1_000
"""What a statement may take, and wait for a lock, in the background."""

Work = Callable[[], object]


def attempt(
    work: Work,
    *,
    site: int = 1,
    size: int = 1,
    name: str = "events",
    puts_off: bool = True,
    then: Work | None = None,
) -> bool:
    """Run `work` (which writes `size` rows) under RECO_WRITE_TIMEOUT_MS; False if it is still to be done.

    What the database refuses because it is slow, locked or down goes to the background thread (if
    `puts_off`); while writes are given up it goes there at once. `then` runs after it, there or here,
    free of our limits. Never raises; RECO_DEBUG_RAISE lets through what is wrong with the work itself.
    """
    try:
        _guarded(work, conf.settings.WRITE_TIMEOUT_MS, then)
    except Refused as refused:
        if puts_off:
            later(work, site=site, size=size, delay=refused.seconds, then=then)
        return False
    except Exception as error:
        if is_passing(error):
            _tell("could not be written yet", error, name, site, size)
            if puts_off:
                later(work, site=site, size=size, delay=background.PAUSES[0], then=then)
            return False
        drops.count("write_failed", site, size)
        _tell("could not be written", error, name, site, size)
        if conf.settings.DEBUG_RAISE:
            raise
    return True


def later(
    work: Work, *, site: int = 1, size: int = 1, delay: float = 0.0, then: Work | None = None
) -> None:
    """Run `work` in the background thread, patiently; `then` after it."""
    background.submit(partial(_guarded, work, PATIENT_MS, then), site=site, size=size, delay=delay)


def _guarded(work: Work, milliseconds: int, then: Work | None = None) -> None:
    using = conf.settings.DATABASE
    with breaker("writes", using).guard(), bounded_writes(using, milliseconds):
        work()
    if then is not None:
        guarded(then)


def _tell(what: str, error: Exception, name: str, site: int, size: int) -> None:
    words = in_words(error)
    logger.warning(
        "%d %s %s: %s",
        size,
        name,
        what,
        words,
        exc_info=None if is_of_database(error) else error,
        extra={"reco": {"site": site, "rows": size, "of": name, "error": words}},
    )
