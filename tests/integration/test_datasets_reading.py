from __future__ import annotations

import datetime as dt
import uuid

import numpy as np
import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reco_plugin.datasets import EventWeights, build_reported, item_features, read_log, time_split
from reco_plugin.datasets import reading as reading_module
from reco_plugin.datasets.keys import IntegerKeys, TextKeys, UuidKeys
from reco_plugin.datasets.rows import RowReader
from reco_plugin.models import Interaction, Item, VisitorLink
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PRODUCTS = [uuid.UUID(int=number * 2**96 + number) for number in range(1, 6)]
PEOPLE = [uuid.UUID(int=(9 - number) * 2**64 + number) for number in range(6)]


def add_items(keys=PRODUCTS, **more):
    Item.objects.bulk_create([Item(product_id=key, content_hash="", **more) for key in keys])


def event(shopper=0, product=0, kind=EventKind.VIEW_ITEM, *, hours=24.0, **more):
    return Interaction(
        event_id=uuid.uuid4(),
        shopper=PEOPLE[shopper],
        product_id=None if product is None else PRODUCTS[product],
        kind=kind,
        source=1,
        occurred_at=NOW - dt.timedelta(hours=hours),
        **more,
    )


def add(*events):
    return Interaction.objects.bulk_create(events)


def as_set(log):
    """What a log says, without its row numbers or its order."""
    shoppers, items = log.shoppers.to_python(), log.items.to_python()
    return sorted(
        (str(shoppers[shopper]), str(items[item]), *map(str, rest))
        for shopper, item, *rest in zip(
            log.shopper, log.item, log.kind, log.at, log.quantity, log.rating, strict=True
        )
    )


def slowly(monkeypatch):
    monkeypatch.setattr(reading_module, "_reader", RowReader)


def test_events_arrive_as_they_were_written():
    add_items()
    add(
        event(1, 2, EventKind.PURCHASE, quantity=3),
        event(0, 1, EventKind.RATE_ITEM, hours=1, rating=0.25),
    )
    log = read_log(1, now=NOW)
    rows = {kind: at for at, kind in enumerate(log.kind.tolist())}
    bought, rated = rows[EventKind.PURCHASE], rows[EventKind.RATE_ITEM]
    assert log.shoppers.key(log.shopper[bought]) == PEOPLE[1]
    assert log.items.key(log.item[bought]) == PRODUCTS[2]
    assert log.at[bought] == int((NOW - dt.timedelta(hours=24)).timestamp()) * 1_000_000
    assert log.quantity[bought] == 3
    assert np.isnan(log.rating[bought])
    assert log.rating[rated] == 0.25
    assert (log.shopper.dtype, log.item.dtype, log.kind.dtype) == (np.int32, np.int32, np.uint8)


def test_rows_follow_sorted_keys_and_items_without_events_have_one():
    add_items(PRODUCTS[::-1])
    add(event(0, 1), event(5, 3), event(2, 1))
    log = read_log(1, now=NOW)
    assert log.items.to_python() == sorted(PRODUCTS)
    assert log.shoppers.to_python() == sorted([PEOPLE[0], PEOPLE[5], PEOPLE[2]])


@pytest.mark.parametrize("slow", [False, True])
def test_an_empty_history(slow, monkeypatch):
    if slow:
        slowly(monkeypatch)
    log = read_log(1, now=NOW)
    assert (len(log), len(log.shoppers), len(log.items), log.read) == (0, 0, 0, 0)
    built = build_reported(log, item_features=item_features(log.items))
    assert built.dataset.interactions.shape == (0, 0)
    assert "No events." in built.report.lines()


def test_one_shopper_one_item():
    add_items(PRODUCTS[:1])
    add(event())
    built = build_reported(read_log(1, now=NOW), now=NOW)
    assert built.dataset.interactions.shape == (1, 1)
    assert built.report.too_little


def test_unknown_sensitive_skewed_and_searching():
    add_items(PRODUCTS[:2])
    add_items(PRODUCTS[2:3], sensitive=True)
    add(
        event(0, 0),
        event(1, 4),
        event(2, 2),
        event(0, 0, hours=-1),
        event(0, 1, hours=24 * 365 * 40),
        event(3, None, EventKind.SEARCH),
        event(0, 0, hours=-0.05),
    )
    log = read_log(1, now=NOW)
    expected = {"orphan": 1, "sensitive": 1, "future": 1, "ancient": 1, "duplicate": 0}
    assert log.dropped == expected
    assert (len(log), log.read) == (2, 6)
    assert log.shoppers.to_python() == [PEOPLE[0]]
    assert log.items.to_python() == PRODUCTS[:2]
    assert len(read_log(1, now=NOW, include_sensitive=True)) == 3


def test_only_the_site_and_the_window_asked_for():
    add_items(PRODUCTS[:2])
    add_items(PRODUCTS[2:], site=2)
    add(event(0, 0, hours=1), event(0, 1, hours=50), event(0, 2, hours=1, site=2))
    assert len(read_log(1, now=NOW)) == 2
    assert read_log(2, now=NOW).items.to_python() == PRODUCTS[2:]
    day = NOW - dt.timedelta(hours=24)
    assert len(read_log(1, now=NOW, since=day)) == 1
    assert len(read_log(1, now=NOW, until=day)) == 1
    exact = NOW - dt.timedelta(hours=1)
    assert len(read_log(1, now=NOW, since=exact)) == 1
    assert len(read_log(1, now=NOW, until=exact)) == 1


@pytest.mark.parametrize("slow", [False, True])
def test_a_guest_who_logged_in_later_is_one_shopper(slow, monkeypatch):
    if slow:
        slowly(monkeypatch)
    add_items()
    add(event(0, 0), event(1, 1), event(2, 2), event(3, 3))
    link(0, 1)
    link(2, 4)
    link(4, 5)
    link(5, 5)
    log = read_log(1, now=NOW)
    assert log.shoppers.to_python() == sorted([PEOPLE[1], PEOPLE[3], PEOPLE[5]])
    by_item = {
        log.items.key(item): log.shoppers.key(who)
        for who, item in zip(log.shopper, log.item, strict=True)
    }
    assert by_item[PRODUCTS[0]] == by_item[PRODUCTS[1]] == PEOPLE[1]
    assert by_item[PRODUCTS[2]] == PEOPLE[5]


def link(visitor, shopper):
    VisitorLink.objects.create(visitor=PEOPLE[visitor], shopper=PEOPLE[shopper])


def test_links_in_a_circle_end():
    add_items()
    add(event(0, 0), event(1, 1))
    link(0, 1)
    link(1, 0)
    assert len(read_log(1, now=NOW)) == 2


def test_an_event_recorded_twice_counts_once():
    add_items()
    add(event(0, 0), event(0, 0), event(0, 0, hours=25))
    log = read_log(1, now=NOW)
    assert len(log) == 2
    assert log.dropped["duplicate"] == 1


def test_broken_numbers_are_harmless():
    add_items()
    add(
        event(0, 0, EventKind.PURCHASE, quantity=-(2**31)),
        event(0, 1, EventKind.PURCHASE, quantity=2**31 - 1),
        event(0, 2, EventKind.RATE_ITEM, rating=float("nan")),
        event(0, 3, EventKind.RATE_ITEM, rating=float("inf")),
        event(0, 4, 255),
    )
    found = build_reported(read_log(1, now=NOW), weights=EventWeights(half_life_days=0))
    assert found.dataset.interactions.toarray().tolist() == [[5.0, 5.0, 0.0, 0.0, 0.0]]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL knows infinity")
def test_an_infinite_moment_is_clock_skew():
    add_items()
    add(event(0, 0), event(0, 1))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reco_interaction SET occurred_at = 'infinity' WHERE product_id = %s",
            [PRODUCTS[0]],
        )
        cursor.execute(
            "UPDATE reco_interaction SET occurred_at = '-infinity' WHERE product_id = %s",
            [PRODUCTS[1]],
        )
    assert read_log(1, now=NOW).dropped["future"] == 1
    assert read_log(1, now=NOW).dropped["ancient"] == 1


some_events = st.lists(
    st.builds(
        event,
        st.integers(0, 5),
        st.none() | st.integers(0, 4),
        st.sampled_from([kind for kind in EventKind if kind is not EventKind.SEARCH]),
        hours=st.integers(-2, 24 * 90),
        quantity=st.integers(-2, 3),
        rating=st.none() | st.floats(0, 1),
    ),
    max_size=25,
)


@hypothesis_settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    some_events,
    st.randoms(use_true_random=False),
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))),
)
def test_copy_tells_what_the_orm_tells_in_any_order_however_often(some, random, links):
    Interaction.objects.all().delete()
    VisitorLink.objects.all().delete()
    if not Item.objects.exists():
        add_items(PRODUCTS[:4])
    VisitorLink.objects.bulk_create(
        [
            VisitorLink(visitor=PEOPLE[a], shopper=PEOPLE[b])
            for a, b in {a: b for a, b in links if a < b}.items()
        ]
    )
    add(*some)
    fast = read_log(1, now=NOW)
    with pytest.MonkeyPatch.context() as patch:
        slowly(patch)
        slow = read_log(1, now=NOW)
    assert as_set(fast) == as_set(slow)
    assert (fast.dropped, fast.read) == (slow.dropped, slow.read)
    Interaction.objects.all().delete()
    add(*(again(one) for one in random.sample(some * 2, len(some) * 2)))
    shuffled = read_log(1, now=NOW)
    matrices = [build_reported(log, now=NOW).dataset.interactions for log in (fast, shuffled)]
    assert (matrices[0] != matrices[1]).nnz == 0


def again(one):
    names = ("shopper", "product_id", "kind", "source", "occurred_at", "quantity", "rating")
    return Interaction(event_id=uuid.uuid4(), **{name: getattr(one, name) for name in names})


@pytest.mark.skipif(connection.vendor != "postgresql", reason="COPY is PostgreSQL's")
@pytest.mark.parametrize(
    ("kind", "keys", "cast"),
    [
        (IntegerKeys(), [5, -7, 2**40], "bigint"),
        (IntegerKeys(), [5, -7], "smallint"),
        (UuidKeys(), PRODUCTS, "uuid"),
        (TextKeys(), ["a", "sku-0123456789-é", "", "日本"], "varchar"),
    ],
)
def test_the_database_packs_keys_as_we_do(kind, keys, cast):
    columns = ", ".join(kind.select("key"))
    values = ", ".join(["(%s::" + cast + ")"] * len(keys))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM (VALUES {values}) AS t(key)", keys)
        packed = cursor.fetchone()
    assert [bytes(part) for part in packed] == list(kind.pack(keys))
    assert len(packed) == kind.fields
    assert kind.id_map(kind.unpack(packed, kind.width(packed))).to_python() == keys


def test_progress_ends_at_the_end():
    add_items()
    add(*(event(0, 0, hours=hours) for hours in range(500)))
    told = []
    read_log(1, now=NOW, progress=lambda stage, done, total: told.append((stage, done, total)))
    assert told[-1] == ("read", 100, 100)


def test_progress_ends_at_the_end_where_the_last_pages_hold_no_event_of_the_site(monkeypatch):
    monkeypatch.setattr("reco_plugin.datasets.copy.PAGES", 1)
    add_items()
    add(*(event(0, 0, hours=hours) for hours in range(500)))
    add(*(event(0, 0, hours=hours, site=2) for hours in range(500)))
    told = []
    read_log(1, now=NOW, progress=lambda stage, done, total: told.append((stage, done, total)))
    assert told[-1] == ("read", 100, 100)


def test_a_table_of_many_pages_is_read_whole(monkeypatch):
    monkeypatch.setattr("reco_plugin.datasets.copy.PAGES", 1)
    add_items()
    add(*(event(hours % 6, hours % 5, hours=hours) for hours in range(1, 1500)))
    log = read_log(1, now=NOW)
    assert len(log) == 1499
    assert len(np.unique(log.at)) == 1499


def test_features_of_items_as_last_synced():
    add_items(PRODUCTS[:3], categories=["Women > Shoes"], brand="Acme", price=float("nan"))
    add_items(PRODUCTS[3:], categories=[], tags=["new"], price=5.0)
    log = read_log(1, now=NOW)
    found = item_features(log.items)
    assert found.matrix.shape == (5, len(found.names))
    assert set(found.names) == {
        "category:Women",
        "category:Women > Shoes",
        "brand:Acme",
        "price:5.0",
        "tag:new",
    }
    assert time_split(log)[0].items is log.items


def events_of(log):
    """A log has no particular order: the database reads its tables as it likes."""
    return sorted(zip(log.item, log.shopper, log.kind, log.at, log.quantity, strict=True))


TO_INTEGER = "('x' || right(product_id::text, 4))::bit(16)::int::bigint"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="COPY is PostgreSQL's")
@pytest.mark.parametrize(
    ("kind", "column", "using", "expected"),
    [
        (TextKeys(), "text", "'sku-' || left(product_id::text, 8)", "sku-00000002"),
        (IntegerKeys(), "bigint", TO_INTEGER, 2),
    ],
    ids=["text", "integer"],
)
def test_shops_with_other_keys(kind, column, using, expected, monkeypatch):
    add_items()
    Item.objects.filter(pk=PRODUCTS[4]).delete()
    add(event(0, 1), event(1, 0), event(1, 4), event(2, 1, hours=3))
    plain = read_log(1, now=NOW)
    with connection.cursor() as cursor:
        for table in ("reco_item", "reco_interaction"):
            cursor.execute(f"CREATE TEMP TABLE {table} ON COMMIT DROP AS TABLE {table}")
            cursor.execute(
                f"ALTER TABLE pg_temp.{table} ALTER product_id TYPE {column} USING {using}"
            )
    monkeypatch.setattr(reading_module, "keys_of", lambda field: kind)
    log = read_log(1, now=NOW)
    assert log.items.key(1) == expected
    assert log.dropped == plain.dropped
    assert log.dropped["orphan"] == 1
    assert events_of(log) == events_of(plain)
