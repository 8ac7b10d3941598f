"""Forget one user or one visitor, everywhere."""

from __future__ import annotations

import uuid

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from reco_plugin import backends
from reco_plugin.capture.erasure import Erased, erase
from reco_plugin.capture.identity import shopper_id
from reco_plugin.types import Key


def erase_user(user: Key, site: int | None = None, *, dry_run: bool = False) -> Erased:
    """Remove the interactions, impressions, clicks and links of a user, and of the visitor ids that
    became them. Their part in a trained run goes with the next training.

    Orders they placed before now are not read back in. Raises ValueError for a key that cannot be
    one of a user.
    """
    field = get_user_model()._meta.pk
    try:
        key = field.to_python(user)
    except ValidationError as error:
        raise ValueError(f"{user!r} cannot be the key of a user: {error.messages[0]}") from error
    site = backends.site() if site is None else site
    return erase([shopper_id(site, key)], site, dry_run=dry_run)


def erase_visitor(visitor: uuid.UUID, site: int | None = None, *, dry_run: bool = False) -> Erased:
    """Remove what a guest left, by the id in their cookie."""
    site = backends.site() if site is None else site
    return erase([visitor], site, dry_run=dry_run)
