from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from django.test import RequestFactory
from django.utils import timezone, translation

from reco_plugin.capture.context import context_of
from reco_plugin.types import Context

PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126 Mobile Safari/537.36"
)
TABLET = "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 Chrome/126 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari"
IPAD = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) Version/16.6 Mobile/15E148 Safari/604.1"
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
NOON = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)
"""A Sunday."""


def asked(**headers):
    return RequestFactory().get("/", **{f"HTTP_{name}": value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("agent", "hint", "device"),
    [
        (PHONE, "", "mobile"),
        (PHONE, "?1", "mobile"),
        (IPHONE, "", "mobile"),
        (TABLET, "?0", "tablet"),
        (IPAD, "", "tablet"),
        (DESKTOP, "", "desktop"),
        (DESKTOP, "?0", "desktop"),
        ("", "?0", "desktop"),
        ("", "?1", "mobile"),
        ("", "", ""),
    ],
)
def test_the_device_is_told_by_what_the_client_says(agent, hint, device):
    assert context_of(asked(USER_AGENT=agent, SEC_CH_UA_MOBILE=hint)).device == device


def test_time_is_that_of_the_current_time_zone():
    with timezone.override(zoneinfo.ZoneInfo("Pacific/Auckland")):
        found = context_of(asked(), now=NOON)
    assert (found.hour, found.weekday) == (1, 0)
    with timezone.override(dt.UTC):
        found = context_of(None, now=NOON)
    assert (found.hour, found.weekday) == (12, 6)


def test_time_without_time_zones(settings):
    settings.USE_TZ = False
    found = context_of(asked(), now=dt.datetime(2026, 3, 1, 9))
    assert (found.hour, found.weekday) == (9, 6)
    assert context_of(asked()).hour is not None


def test_the_language_is_the_one_in_force():
    with translation.override("de"):
        assert context_of(asked()).locale == "de"
    with translation.override(None):
        assert context_of(asked()).locale == ""


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://search.example/find?q=secret&user=7", "search.example"),
        ("http://testserver/elsewhere/", ""),
        ("https://[broken", ""),
        ("", ""),
    ],
)
def test_of_where_they_came_from_only_the_host_is_kept(referrer, host):
    assert context_of(asked(REFERER=referrer)).referrer == host


def test_a_host_we_are_not_is_no_error(settings):
    settings.ALLOWED_HOSTS = ["shop.example"]
    assert context_of(asked(HOST="evil.example", REFERER="https://a.example/")).referrer == ""


def test_page_and_query_are_handed_over():
    found = context_of(asked(), category="Women > Shoes", query=f"  {'x' * 500} ")
    assert found.category == "Women > Shoes"
    assert found.query == "x" * 200


def test_no_address_is_looked_at():
    request = asked(X_FORWARDED_FOR="203.0.113.9")
    request.META["REMOTE_ADDR"] = "203.0.113.9"
    assert "203.0.113.9" not in repr(context_of(request))


# --- the shop's own word -------------------------------------------------------------------------

ANSWERS: list[object] = []


def hook(request):
    answer = ANSWERS[-1]
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.fixture
def shop_says(settings, monkeypatch):
    settings.RECO_CONTEXT = f"{__name__}.hook"
    settings.RECO_DEBUG_RAISE = False
    monkeypatch.setattr("reco_plugin.backends.hook", lambda name, path: hook)
    return ANSWERS.append


def test_the_shop_says_market_and_region(shop_says):
    shop_says({"market": "de", "region": "Bayern", "device": "tablet", "hour": 3, "secret": "x"})
    found = context_of(asked(USER_AGENT=DESKTOP), now=NOON)
    assert (found.market, found.region, found.device) == ("de", "Bayern", "tablet")
    assert found.hour == timezone.localtime(NOON).hour


@pytest.mark.parametrize("answer", [None, "de", {}, {"market": None}, RuntimeError("no")])
def test_a_shop_that_says_nothing_is_no_error(shop_says, answer):
    shop_says(answer)
    assert context_of(asked(USER_AGENT=DESKTOP)).market == ""


def test_a_hook_that_is_not_there_is_no_error(settings):
    settings.RECO_CONTEXT = "nowhere.at_all"
    assert context_of(asked()).market == ""


def test_what_the_shop_raises_is_seen_in_development(shop_says, settings):
    settings.RECO_DEBUG_RAISE = True
    shop_says(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        context_of(asked())


def test_without_a_request_there_is_only_the_time():
    with translation.override("en"):
        found = context_of(None, now=NOON)
    local = timezone.localtime(NOON)
    assert found == Context(hour=local.hour, weekday=local.weekday(), locale="en")
