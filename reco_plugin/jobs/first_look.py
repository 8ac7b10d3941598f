"""The pictures of products just born: looked at within a tick, where a visual run is live to put them into."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import picture_vectors, visual
from reco_plugin.jobs.encode import ShardEncoding, once
from reco_plugin.jobs.live_encoder import live_encoder
from reco_plugin.jobs.pictures import look_at_pictures
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Run
from reco_plugin.types import Key

log = logging.getLogger(__name__)


def first_look(work: Work, keys: Sequence[Key]) -> dict[str, Any]:
    """Read their pictures, look at them and put the products into the live visual run; JSON-able words.

    What goes wrong is logged and left to the jobs that look at all pictures.
    """
    run = active_run(work.site, visual.KIND)
    if run is None:
        return {}
    try:
        return {"looks": len(_look(work, run, keys))}
    except (RecoError, DatabaseError, ImproperlyConfigured, OSError) as error:
        log.warning("pictures of new products wait for the next look: %s", error)
        return {"looks": 0, "note": f"Their pictures wait for the next look: {error}"}


def _look(work: Work, run: Run, keys: Sequence[Any]) -> list[Key]:
    live = live_encoder(work.site)
    if isinstance(live, str) or live.fingerprint != run.config.get("fingerprint"):
        return []
    look_at_pictures(work.site, keys, fence=work.fence)
    rows = picture_vectors.missing(work.site, live.fingerprint).filter(product_id__in=keys)
    with closing(ShardEncoding()) as doing:
        doing.look(live, list(once(rows.order_by("content_hash", "pk"))), work.progress)
    return visual.update(run, keys)
