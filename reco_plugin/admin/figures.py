"""Numbers, times and spans as the operator's language writes them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any

from django.utils import formats, timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from reco_plugin import clock

NOTHING = "\N{EN DASH}"
TO = " \N{EN DASH} "
MINUS = "\N{MINUS SIGN}"
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def whole(value: Any) -> str:
    """1234567 → '1,234,567'; a dash for what is no number."""
    return decimal(value, 0)


def decimal(value: Any, places: int = 4) -> str:
    """0.03125 → '0.0313'; a dash for what is no finite number."""
    if not is_number(value):
        return NOTHING
    return formats.number_format(round(value, places), places, use_l10n=True, force_grouping=True)


def compact(value: float) -> str:
    """A figure of any size in at most three signs: '1,200,000', '340', '2.5', '0.031'."""
    if not value or abs(value) >= 100:
        return whole(value)
    most = min(2 - math.floor(math.log10(abs(value))), 9)
    places = next(at for at in range(most + 1) if round(value, at) == round(value, most))
    return decimal(value, places)


def share(value: Any, places: int = 1) -> str:
    """0.125 → '12.5 %'."""
    return f"{decimal(value * 100, places)} %" if is_number(value) else NOTHING


def compact_share(value: float) -> str:
    """0.025 → '2.5 %', 0.4 → '40 %'."""
    return f"{compact(value * 100)} %"


def signed_share(value: Any, places: int = 1) -> str:
    """0.125 → '+12.5 %'; the minus of a loss is a real minus sign."""
    if not is_number(value):
        return NOTHING
    return ("+" if value >= 0 else MINUS) + share(abs(value), places)


def signed(value: Any, places: int = 4) -> str:
    """0.0125 → '+0.0125'; a real minus sign."""
    if not is_number(value):
        return NOTHING
    return ("+" if value >= 0 else MINUS) + decimal(abs(value), places)


def interval(estimate: Any, places: int = 4) -> str:
    """{'low': …, 'high': …} → both ends; '' where there is none."""
    if not isinstance(estimate, dict) or not is_number(estimate.get("low")):
        return ""
    return decimal(estimate["low"], places) + TO + decimal(estimate.get("high"), places)


def span(seconds: Any) -> str:
    """0.24 → '0.24 s', 95 → '1 min 35 s', 7200 → '2 h', 200000 → '2 d 7 h'."""
    if not is_number(seconds):
        return NOTHING
    if seconds < MINUTE:
        return _("%s s") % (compact(seconds) if seconds < 10 else whole(seconds))
    return " ".join(_units(round(seconds)))


def _units(seconds: int) -> Iterator[str]:
    """The largest unit, and the next smaller one where something is left of it."""
    sizes = ((DAY, _("%s d")), (HOUR, _("%s h")), (MINUTE, _("%s min")), (1, _("%s s")))
    for at, (size, words) in enumerate(sizes[:-1]):
        if seconds >= size:
            yield words % whole(seconds // size)
            smaller, small_words = sizes[at + 1]
            if rest := seconds % size // smaller:
                yield small_words % whole(rest)
            return


def moment(value: dt.datetime | None) -> str:
    """A time in the zone in force, short."""
    if value is None:
        return NOTHING
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return formats.date_format(local, "SHORT_DATETIME_FORMAT")


def clock_time(value: dt.datetime | None) -> str:
    """As `moment`, to the second."""
    if value is None:
        return NOTHING
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return f"{day(local)} {formats.date_format(local, 'H:i:s')}"


def day(value: dt.date) -> str:
    return formats.date_format(value, "SHORT_DATE_FORMAT")


def ago(value: dt.datetime | None) -> str:
    """'just now', '3 hours ago'; a dash for never."""
    if value is None:
        return NOTHING
    known = clock.aware(value)
    if known and clock.now() - known < dt.timedelta(minutes=1):
        return _("just now")
    return _("%s ago") % timesince(value, depth=1)


def seconds_since_1970(value: dt.datetime) -> float:
    """Where a time lies on an axis, also where USE_TZ is off."""
    known = clock.aware(value)
    return known.timestamp() if known else 0.0


def moment_of(seconds: float) -> str:
    """As `moment`, of seconds since 1970: the words of an axis."""
    return moment(dt.datetime.fromtimestamp(seconds, dt.UTC))


def iso_day(text: Any) -> str:
    """'2026-03-01' out of our JSON as a day; what is no day stays as it is."""
    try:
        return day(dt.date.fromisoformat(text))
    except (TypeError, ValueError):
        return str(text)


def parsed(text: Any) -> dt.datetime | None:
    """An ISO time out of our JSON, or None."""
    try:
        return dt.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def is_number(value: Any) -> bool:
    """A finite number, not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
