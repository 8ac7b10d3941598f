"""The placements that merchandisers wrote: only asked under `check --database` and `migrate`."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.checks import Tags
from django.core.checks import Warning as Caution
from django.db import DatabaseError

from reco_plugin import conf
from reco_plugin.checks.registration import Messages, check
from reco_plugin.models import Placement
from reco_plugin.placements import BY_SLUG, read


@check(Tags.database)
def usable_placements(databases: Sequence[str]) -> Messages:
    """reco.W019"""
    if (using := conf.settings.DATABASE) not in databases:
        return
    try:
        rows = list(Placement.objects.using(using))
    except DatabaseError:
        return  # not migrated yet
    for row in rows:
        _, wrong = read(row)
        if wrong:
            instead = "the one that comes with the app" if row.slug in BY_SLUG else "nothing"
            yield Caution(
                f"Placement {row.slug!r} of site {row.site} cannot be used, and {instead} is shown: "
                + " ".join(wrong),
                hint="Change it in the admin, or: python manage.py reco_placements import",
                id="reco.W019",
            )
