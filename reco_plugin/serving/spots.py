"""The placements of a site, remembered by each process for a few seconds, like `pointers`.

A change made in this process is seen at once, elsewhere after SECONDS.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from django.core.signals import setting_changed
from django.db import Error
from django.db.models.signals import post_delete, post_save

from reco_plugin import conf, placements
from reco_plugin.models import Placement
from reco_plugin.outages import in_words
from reco_plugin.serving import pointers
from reco_plugin.serving.reads import Unavailable, bounded
from reco_plugin.types import PlacementSpec

logger = logging.getLogger(__name__)

SECONDS = 3.0

Spots = Mapping[str, PlacementSpec]

_known: dict[tuple[str, int], tuple[float, Spots]] = {}


def recall(using: str, site: int) -> Spots | None:
    """The placements if they are fresh enough, without reading.

    Where the live runs have to be read too, those of a moment ago do once more: a page reads one of
    the two, not both.
    """
    at, spots = _known.get((using, site), (0.0, None))
    age = time.monotonic() - at
    if age < SECONDS or (age < 2 * SECONDS and pointers.recall(using, site) is None):
        return spots
    return None


def read(using: str, site: int) -> Spots:
    """The placements as the database has them now, in one statement."""
    spots = placements.in_force(site, using)
    _known[using, site] = (time.monotonic(), spots)
    return spots


def known(using: str, site: int) -> Spots:
    """The placements in force; while they cannot be read, those that come with the app."""
    found = recall(using, site)
    if found is not None:
        return found
    try:
        with bounded(using, conf.settings.STATEMENT_TIMEOUT_MS):
            return read(using, site)
    except (Error, Unavailable) as error:
        logger.warning("Placements could not be read: %s", in_words(error))
        _known[using, site] = (time.monotonic(), placements.BY_SLUG)  # not asked again at once
        return placements.BY_SLUG


def forget(**_: Any) -> None:
    """Look again at the next request."""
    _known.clear()


def _forget_setting(*, setting: str, **_: object) -> None:
    if setting.startswith(conf.PREFIX) or setting == "DATABASES":
        forget()


setting_changed.connect(_forget_setting, dispatch_uid="reco_plugin.serving.spots")
post_save.connect(forget, sender=Placement, dispatch_uid="reco_plugin.serving.spots")
post_delete.connect(forget, sender=Placement, dispatch_uid="reco_plugin.serving.spots")
