"""The impressions of a page, written in one statement once the response is on its way."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from django.http import HttpRequest

from reco_plugin import capture, conf, measurement
from reco_plugin.capture.lifecycle import RequestState, state_of
from reco_plugin.types import Slate

logger = logging.getLogger(__name__)


def record(slates: Iterable[Slate], request: HttpRequest | None) -> None:
    """Remember what a person is shown; the first to be remembered sees to the writing of all.

    Never raises, but under RECO_DEBUG_RAISE.
    """
    try:
        _record(slates, request)
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("Impressions could not be recorded")


def leave(slates: Iterable[Slate], request: HttpRequest | None) -> None:
    """Let nothing of these slates be recorded, wherever they are shown."""
    if request is not None:
        state_of(request).told.update(slate.id for slate in slates)


def _record(slates: Iterable[Slate], request: HttpRequest | None) -> None:
    if request is None or not conf.settings.RECORD_IMPRESSIONS:
        return
    state = state_of(request)
    shown = [slate for slate in slates if slate and slate.id not in state.told]
    if not shown or not capture.is_recordable(request):
        return
    state.told.update(slate.id for slate in shown)
    waits = bool(state.shown)
    state.shown += shown
    if not waits:
        capture.after_response(request, partial(_write, state))


def _write(state: RequestState) -> None:
    slates: Sequence[Slate] = tuple(state.shown)
    state.shown.clear()
    if slates:
        size = sum(len(slate) for slate in slates)
        work = partial(_once, slates, itertools.count())
        capture.attempt(work, site=slates[0].site, size=size, name="impressions")


def _once(slates: Sequence[Slate], tries: Iterator[int]) -> None:
    """A connection that was lost may hide that the try before succeeded."""
    if next(tries) == 0 or not measurement.was_recorded(*slates):
        measurement.record_impressions(*slates)
