"""Rows for the placements that come with the app, so that merchandisers see and change them."""

from __future__ import annotations

import logging
from typing import Any

from django.apps import apps as installed
from django.db import DatabaseError, router, transaction

from reco_plugin import conf
from reco_plugin.placements.plain import as_json
from reco_plugin.placements.presets import PRESETS

logger = logging.getLogger(__name__)


def create_missing(site: int, using: str = "", model: Any = None) -> list[str]:
    """A row for every placement that comes with the app and has none; the names of those made.

    What a merchandiser changed, or switched off, stays as it is.
    """
    model = model or installed.get_model("reco", "Placement")
    rows = model._default_manager.using(using or conf.settings.DATABASE)
    known = set(rows.filter(site=site).values_list("slug", flat=True))
    new = [model(site=site, **as_json(spec)) for spec in PRESETS if spec.slug not in known]
    if new:
        rows.bulk_create(new, ignore_conflicts=True)
    return [row.slug for row in new]


def after_migrate(using: str, apps: Any = installed) -> None:
    """`create_missing` for RECO_SITE where that is a number; `apps` are the models as migrated so far.

    A shop that works out its sites from the request creates theirs with `reco_placements create`.
    Never raises: without rows the placements are in force as they come.
    """
    site = conf.settings.SITE
    if using != conf.settings.DATABASE or not isinstance(site, int):
        return
    try:
        model = apps.get_model("reco", "Placement")
    except LookupError:  # on the way back, or not there yet
        return
    if not router.allow_migrate_model(using, model):
        return
    try:
        with transaction.atomic(using=using):
            create_missing(site, using, model)
    except DatabaseError as error:
        logger.warning("No rows were made for the placements that come with the app: %s", error)
