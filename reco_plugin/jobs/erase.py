"""Forget one user or one visitor, everywhere, and say what was done.

First a mark is left, then the rows go a little at a time, then the vectors. Whatever breaks in between,
the mark remembers what was asked: the next sweep, which is asked for too, finishes it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from reco_plugin import backends, conf
from reco_plugin.capture.erasure import NOBODY, mark
from reco_plugin.capture.identity import shopper_id
from reco_plugin.jobs import anonymous, forgetting, traces
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.execute import request
from reco_plugin.jobs.running.schedule import standing
from reco_plugin.models import VisitorLink
from reco_plugin.types import Key

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What was removed (or would be), and when the last of it is gone."""

    interactions: int = 0
    impressions: int = 0
    clicks: int = 0
    interests: int = 0
    links: int = 0
    vectors: int = 0
    """Learnt of them alone, in runs that are or could be live."""
    influence: str = ""
    """How long what they did still shows in what was learnt of everybody's behaviour."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def erase_user(user: Key, site: int | None = None, *, dry_run: bool = False) -> Receipt:
    """Remove the interactions, impressions, clicks, interests, links and vectors of a user, and of the visitor ids
    that became them, on every site. Orders they placed before now are not read back in.

    Doing it again is harmless. Raises ValueError for a key that cannot be one of a user.
    """
    field = get_user_model()._meta.pk
    try:
        key = field.to_python(user)
    except ValidationError as error:
        raise ValueError(f"{user!r} cannot be the key of a user: {error.messages[0]}") from error
    site = backends.site() if site is None else site
    shoppers = [shopper_id(each, key) for each in traces.sites(site)]
    return erase(shoppers, site, dry_run=dry_run)


def erase_visitor(visitor: uuid.UUID, site: int | None = None, *, dry_run: bool = False) -> Receipt:
    """Remove what a guest left on any site, by the id in their cookie."""
    site = backends.site() if site is None else site
    return erase([visitor], site, dry_run=dry_run)


def erase(shoppers: Collection[uuid.UUID], site: int, *, dry_run: bool = False) -> Receipt:
    """Remove every trace of these identities and of the visitor ids linked to them."""
    everyone = [one for one in traces.identities(shoppers) if one != NOBODY]
    links = _links(everyone)
    everywhere = traces.sites(site)
    if dry_run:
        found = sum((traces.count(one, everywhere) for one in everyone), traces.Traces())
        vectors = sum(forgetting.known(everyone, each) for each in everywhere)
    else:
        for each in everywhere:
            mark(everyone, each)
            _ask_for_a_sweep(each)
        found = sum((traces.remove(one, everywhere) for one in everyone), traces.Traces())
        vectors = sum(forgetting.forget(everyone, each).vectors for each in everywhere)
        for each in everywhere:
            anonymous.strip_all(each, failed=True)
    return Receipt(
        interactions=found.interactions,
        impressions=found.impressions,
        clicks=found.clicks,
        interests=found.interests,
        links=links,
        vectors=vectors,
        influence=_influence(site),
    )


def _links(everyone: Collection[uuid.UUID]) -> int:
    rows = VisitorLink.objects.using(conf.settings.DATABASE).filter(visitor__in=everyone)
    return rows.exclude(shopper=NOBODY).count()


def _ask_for_a_sweep(site: int) -> None:
    """It looks again soon, and finishes what this process might not live to."""
    try:
        request("sweep", site)
    except DatabaseError:
        log.warning("the next sweep comes at its own time", exc_info=True)


def _influence(site: int) -> str:
    run = active_run(site, "personal")
    if run is None:
        return "None: nothing that was learnt is live."
    due = next((job.due_at for job in standing(site) if job.spec.name == "train"), None)
    when = f" It is due at {due.isoformat(timespec='minutes')}." if due else ""
    return (
        f"Run {run.pk} learnt how products go together from everybody's behaviour, theirs too, and says "
        f"so of no one; that ends when the next training goes live.{when}"
    )
