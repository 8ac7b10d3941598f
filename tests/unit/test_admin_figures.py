"""Numbers and spans in the operator's language."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin import clock
from reco_plugin.admin import figures


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.24, "0.24 s"),
        (9.999, "10 s"),
        (12.4, "12 s"),
        (59.7, "60 s"),
        (60, "1 min"),
        (95, "1 min 35 s"),
        (3_600, "1 h"),
        (7_265, "2 h 1 min"),
        (200_000, "2 d 7 h"),
        (None, "\N{EN DASH}"),
        (float("nan"), "\N{EN DASH}"),
        (True, "\N{EN DASH}"),
    ],
)
def test_spans(seconds: object, words: str) -> None:
    assert figures.span(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (1_234_567, "1,234,567"),
        (100, "100"),
        (2.5, "2.5"),
        (0.05, "0.05"),
        (0.0312, "0.0312"),
        (0.125, "0.125"),
        (-2, "-2"),
        (1e-12, "0"),
    ],
)
def test_compact(value: float, words: str) -> None:
    assert figures.compact(value) == words


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_compact_is_near(value: float) -> None:
    told = float(figures.compact(value).replace(",", ""))
    assert told == pytest.approx(value, rel=0.006, abs=1e-9)


def test_shares_and_signs() -> None:
    assert figures.share(0.125) == "12.5 %"
    assert figures.signed_share(0.2, 0) == "+20 %"
    assert figures.signed_share(-0.05) == "\N{MINUS SIGN}5.0 %"
    assert figures.share(None) == figures.signed_share("x") == "\N{EN DASH}"
    assert figures.compact_share(0.025) == "2.5 %"


def test_another_language() -> None:
    with translation.override("de"):
        assert figures.decimal(1_234.5, 1) == "1.234,5"
        assert figures.whole(1_000_000) == "1.000.000"


def test_when() -> None:
    now = clock.now()
    assert figures.ago(now) == "just now"
    assert figures.ago(now + dt.timedelta(hours=1)) == "just now"
    assert figures.ago(now - dt.timedelta(hours=3, minutes=5)) == "3\xa0hours ago"
    assert figures.ago(None) == figures.moment(None) == "\N{EN DASH}"
    assert figures.parsed("nonsense") is figures.parsed(None) is None


def test_days_out_of_json() -> None:
    assert figures.iso_day("2026-03-01") == "03/01/2026"
    assert figures.iso_day("spring") == "spring"
    assert figures.iso_day(None) == "None"


def test_intervals() -> None:
    assert figures.interval({"low": 0.1, "high": 0.2}) == "0.1000 \N{EN DASH} 0.2000"
    assert figures.interval(None) == figures.interval({"low": None}) == ""
