"""Makes an event fit to keep: bounded, finite, in the past, without personal text."""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connections, models

from reco_plugin import clock, conf
from reco_plugin.capture import drops
from reco_plugin.types import DEVICES, Key, ShopEvent

OLDEST = dt.timedelta(hours=24)
"""How late an event may be reported before its own time is no longer believed."""
MOST_QUANTITY = 1_000_000
MOST_PRICE = Decimal(10) ** 10
LONGEST_QUERY = 200
_EMAIL = re.compile(r"\S*@\S*")
_LONG_NUMBER = re.compile(r"\+?\d(?:[\s().\-/]{0,3}\d){7,}|\d{7,}")
"""Eight digits with punctuation between them, or seven in a row: '501 32 34' is a size of jeans."""


def clean(event: ShopEvent, now: dt.datetime) -> ShopEvent:
    """`event` as it may be written; what had to be left out of it is counted."""
    return replace(
        event,
        occurred_at=clamp(event.occurred_at, now),
        quantity=bound(event.quantity),
        price=money(event.price, event.site),
        rating=rating(event.rating, event.site),
        query=scrub(event.query),
        currency=currency(event.currency),
        order=text(event.order, 64),
        device=device(event.device, event.site),
    )


def clamp(at: dt.datetime, now: dt.datetime, oldest: dt.timedelta | None = OLDEST) -> dt.datetime:
    """`at` in UTC, or `now` when it lies in the future or more than `oldest` back (None: any age)."""
    try:
        at = (clock.aware(at) or now).astimezone(dt.UTC)
    except OverflowError:
        return now
    too_old = oldest is not None and at < now - oldest
    return now if at > now or too_old else at


def bound(quantity: int) -> int:
    return max(1, min(int(quantity), MOST_QUANTITY))


def money(price: Any, site: int = 1) -> Decimal | None:
    """A finite, non-negative price, or None; a price that is neither is counted."""
    if price is None:
        return None
    try:
        value = price if isinstance(price, Decimal) else Decimal(str(price))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < MOST_PRICE:
        drops.count("bad_price", site)
        return None
    return value


def rating(value: Any, site: int = 1) -> float | None:
    """A rating clamped to 0..1, or None; one that is no finite number is counted."""
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        drops.count("bad_rating", site)
        return None
    return max(0.0, min(found, 1.0))


def device(value: Any, site: int = 1) -> str:
    """One of DEVICES, or ''; anything else a caller says is counted, and not kept."""
    if not value or value in DEVICES:
        return str(value or "")
    drops.count("bad_device", site)
    return ""


def scrub(query: str) -> str:
    """A search text without e-mail addresses, telephone and other long numbers, and not too long."""
    if not query:
        return ""
    query = query[: 10 * LONGEST_QUERY].replace("\x00", "")
    query = _LONG_NUMBER.sub(" ", _EMAIL.sub(" ", query))
    return " ".join(query.split())[:LONGEST_QUERY].rstrip()


def currency(value: Any) -> str:
    """An ISO 4217 code in capitals, or ''. What has none may say None."""
    code = str(value)
    return code.upper() if value and len(code) == 3 and code.isascii() and code.isalpha() else ""


def text(value: Any, longest: int) -> str:
    return str(value).replace("\x00", "")[:longest] if value else ""


def product_key(product: Any) -> Key:
    """The key of a product given as an instance or a key, as the product's own field takes it.

    Raises ValueError, naming the field, when it cannot be one.
    """
    value = product.pk if isinstance(product, models.Model) else product
    field, low, high, longest = _key_field(conf.product_model(), conf.settings.DATABASE)
    try:
        key = field.to_python(value)
    except (ValidationError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(_not_a_key(value, field)) from error
    if key is None or isinstance(value, bool):
        raise ValueError(_not_a_key(value, field))
    if isinstance(key, int) and not (low is None or low <= key <= (high or key)):
        raise ValueError(_not_a_key(value, field))
    if isinstance(key, str) and (not key or "\x00" in key or len(key) > (longest or len(key))):
        raise ValueError(_not_a_key(value, field))
    return key  # type: ignore[no-any-return]


def _not_a_key(value: object, field: Any) -> str:
    return (
        f"{str(value)[:80]!r} cannot be a key of {conf.product_model()}: its primary key "
        f"{field.name!r} is a {type(field).__name__}. Pass a product or its primary key."
    )


@lru_cache(maxsize=8)
def _key_field(label: str, using: str) -> tuple[Any, int | None, int | None, int | None]:
    """The key's field, smallest and largest integer it holds, and longest text."""
    field: Any = apps.get_model(label)._meta.pk
    while field.remote_field:
        field = field.target_field
    low, high = (
        connections[using].ops.integer_field_range(field.get_internal_type())
        if (isinstance(field, models.IntegerField))
        else (None, None)
    )
    return field, low, high, getattr(field, "max_length", None)
