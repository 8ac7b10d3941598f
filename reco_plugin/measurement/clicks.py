"""Clicks, by signed links: what a link says cannot be made up, and it counts once."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db import IntegrityError, transaction

from reco_plugin import conf
from reco_plugin.models import Click
from reco_plugin.types import Key, Slate, SlateItem

SALT = "reco_plugin.click"
COUNTS_FOR = 60 * 60 * 24 * 2
"""Seconds after which a link still leads to its product, but no longer counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClickToken:
    """What a signed link says."""

    slate: uuid.UUID
    placement: str
    key: str
    """The product's primary key, as text."""
    position: int
    site: int
    issued_at: int
    """Seconds since 1970, UTC."""

    @property
    def counts(self) -> bool:
        return 0 <= time.time() - self.issued_at + 60 <= COUNTS_FOR + 60


def click_token(slate: Slate, item: SlateItem) -> str:
    """A URL-safe, signed text that names one tile of one slate."""
    said = [
        slate.id.hex,
        slate.placement,
        str(item.key),
        item.position,
        slate.site,
        int(time.time()),
    ]
    return signing.Signer(salt=SALT).sign_object(said)


def read_token(token: str) -> ClickToken | None:
    """What `token` says, or None when it is not one of ours. Keys in SECRET_KEY_FALLBACKS are read too."""
    try:
        slate, placement, key, position, site, issued_at = signing.Signer(salt=SALT).unsign_object(
            token
        )
        return ClickToken(
            slate=uuid.UUID(slate),
            placement=placement,
            key=key,
            position=position,
            site=site,
            issued_at=issued_at,
        )
    except (signing.BadSignature, ValueError, TypeError):
        return None


def record_click(token: ClickToken, key: Key, shopper: uuid.UUID | None) -> Click | None:
    """Append the click; None when this tile of this slate has been clicked before."""
    using = conf.settings.DATABASE
    click: dict[str, Any] = {
        "site": token.site,
        "slate": token.slate,
        "placement": token.placement[: Click._meta.get_field("placement").max_length],
        "product_id": key,
        "position": token.position,
        "shopper": shopper,
    }
    try:
        with transaction.atomic(using=using):
            return Click.objects.using(using).create(**click)
    except IntegrityError:
        return None
