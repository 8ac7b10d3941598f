"""Moments that can be compared: always aware, whatever USE_TZ says."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone


def now() -> dt.datetime:
    """The present, in UTC. (Django's own is naive where USE_TZ is off.)"""
    return dt.datetime.now(dt.UTC)


def aware(value: Any) -> dt.datetime | None:
    """A date or a time as an aware time; None for anything else.

    Without a time zone it is meant in the shop's TIME_ZONE, as everywhere in Django.
    """
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001
    if not isinstance(value, dt.datetime):
        return None
    if timezone.is_aware(value):
        return value
    return timezone.make_aware(value, timezone.get_default_timezone())
