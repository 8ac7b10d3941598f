"""What is kept of an event: bounded, finite, in the past, without personal text."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.capture import drops
from reco_plugin.capture.clean import (
    LONGEST_QUERY,
    OLDEST,
    bound,
    clamp,
    clean,
    currency,
    device,
    money,
    product_key,
    rating,
    scrub,
)
from reco_plugin.capture.identity import guest_id, parse_visitor, shopper_id
from reco_plugin.types import DEVICES, EventKind, ShopEvent, Shopper

NOW = dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC)
MOMENTS = st.datetimes(
    min_value=dt.datetime(1970, 1, 1),
    max_value=dt.datetime(2100, 1, 1),
    timezones=st.none() | st.timezones(),
)


@given(MOMENTS)
def test_r16_no_event_lies_in_the_future_or_too_far_back(at):
    kept = clamp(at, NOW)
    assert NOW - OLDEST <= kept <= NOW
    assert kept.tzinfo is dt.UTC


@given(MOMENTS)
def test_a_backfill_keeps_every_past_date(at):
    kept = clamp(at, NOW, None)
    aware = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    assert kept == min(aware.astimezone(dt.UTC), NOW)


@pytest.mark.parametrize("at", [dt.datetime.min, dt.datetime.max])
@pytest.mark.parametrize("hours", [-14, 14])
def test_the_ends_of_time(at, hours):
    at = at.replace(tzinfo=dt.timezone(dt.timedelta(hours=hours)))
    assert clamp(at, NOW) == NOW


@given(st.text(max_size=400))
def test_queries_are_short_and_without_addresses_or_long_numbers(text):
    kept = scrub(text + " ann@example.com +49 (171) 123-4567 4111111111111111")
    assert len(kept) <= LONGEST_QUERY
    assert "@" not in kept
    assert "4567" not in kept
    assert "4111111" not in kept
    assert "\x00" not in kept


@pytest.mark.parametrize(
    "query", ["red boots 42", "levi's 501 32 34", "iphone 15 128gb", "größe 38/40"]
)
def test_ordinary_queries_stay_as_they_are(query):
    assert scrub(query) == query


@given(st.integers())
def test_quantities_are_bounded(quantity):
    assert 1 <= bound(quantity) <= 1_000_000


@given(st.decimals() | st.floats() | st.integers() | st.text(max_size=8) | st.none())
def test_a_price_is_finite_or_nothing(price):
    kept = money(price)
    assert kept is None or (kept.is_finite() and 0 <= kept < 10**10)


@pytest.mark.parametrize("price", [float("nan"), float("inf"), "-1", "abc", 1e300])
def test_a_bad_price_is_counted(price):
    before = drops.pending().get((7, "bad_price"), 0)
    assert money(price, 7) is None
    assert drops.pending()[7, "bad_price"] == before + 1


@given(st.floats() | st.integers() | st.decimals() | st.text(max_size=8) | st.none())
def test_a_rating_is_within_0_and_1_or_nothing(value):
    kept = rating(value)
    assert kept is None or 0 <= kept <= 1


@pytest.mark.parametrize(
    ("value", "kept"),
    [("eur", "EUR"), ("€", ""), ("EURO", ""), ("", ""), (None, ""), (978, "")],
)
def test_currencies(value, kept):
    assert currency(value) == kept


def test_product_keys_are_taken_as_the_shop_has_them():
    key = uuid.uuid4()
    assert product_key(key) == product_key(str(key)) == product_key(key.hex) == key


@pytest.mark.parametrize("key", ["", "boots", None, True, object(), "1" * 5_000])
def test_what_cannot_be_a_product_key_is_a_clear_error(key):
    with pytest.raises(ValueError, match=r"cannot be a key of testapp\.Product.*'ref'.*UUIDField"):
        product_key(key)


def test_an_event_is_cleaned_as_a_whole():
    event = ShopEvent(
        event_id=uuid.uuid4(),
        kind=EventKind.ADD_TO_CART,
        shopper=Shopper(id=uuid.uuid4()),
        occurred_at=NOW + dt.timedelta(days=1),
        quantity=-5,
        price=Decimal("NaN"),
        rating=float("inf"),
        order="o" * 100 + "\x00",
        currency="usd",
        query="\x00boots  ann@example.com",
        device="Pixel 8 of Ann",
    )
    before = drops.pending().get((1, "bad_device"), 0)
    kept = clean(event, NOW)
    assert (kept.occurred_at, kept.quantity, kept.price, kept.rating) == (NOW, 1, None, None)
    assert (kept.order, kept.currency, kept.query) == ("o" * 64, "USD", "boots")
    assert kept.device == ""
    assert drops.pending()[1, "bad_device"] == before + 1


@given(st.none() | st.text() | st.integers() | st.sampled_from(DEVICES))
def test_a_device_is_one_of_three_or_not_known(value):
    assert device(value) == (value if value in DEVICES else "")


def test_derived_ids_can_never_be_a_visitors():
    for derived in (shopper_id(1, 42), guest_id(1, "C-7")):
        assert parse_visitor(str(derived)) is None
    visitor = uuid.uuid4()
    assert parse_visitor(str(visitor)) == visitor


def test_derived_ids_are_stable_and_apart():
    assert shopper_id(1, 42) == shopper_id(1, "42")
    assert shopper_id(1, 42) != shopper_id(2, 42)
    assert guest_id(1, "a") == guest_id(1, "a") != guest_id(1, "b")
