from __future__ import annotations

import datetime as dt

import pytest

from reco_plugin import clock


@pytest.mark.parametrize("use_tz", [True, False])
def test_now_is_aware_whatever_use_tz_says(settings, use_tz):
    settings.USE_TZ = use_tz
    assert abs(clock.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)


def test_naive_moments_are_the_shops_own(settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    noon = dt.datetime(2026, 5, 1, 12)
    assert clock.aware(noon) == dt.datetime(2026, 5, 1, 3, tzinfo=dt.UTC)
    assert clock.aware(dt.date(2026, 5, 1)) == dt.datetime(2026, 4, 30, 15, tzinfo=dt.UTC)


def test_aware_moments_stay_and_anything_else_is_none():
    moment = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    assert clock.aware(moment) is moment
    assert clock.aware("2026-05-01") is None
    assert clock.aware(None) is None
