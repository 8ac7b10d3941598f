"""The limits of our writes: in force for them, and gone for everybody else."""

from __future__ import annotations

import time
import uuid

import faults
import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from testapp.models import Product

from reco_plugin.bounded import bounded_writes
from reco_plugin.capture import write
from reco_plugin.models import Dropped, Interaction
from reco_plugin.types import EventKind, ShopEvent, Shopper

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="limits are PostgreSQL's"),
]
NAMES = ("statement_timeout", "lock_timeout")


def limits() -> list[str]:
    found = []
    with connection.cursor() as cursor:
        for name in NAMES:
            cursor.execute(f"SHOW {name}")
            found.append(cursor.fetchone()[0])
    return found


def an_event() -> ShopEvent:
    return ShopEvent(
        event_id=uuid.uuid4(),
        kind=EventKind.VIEW_ITEM,
        shopper=Shopper(id=uuid.uuid4()),
        occurred_at=timezone.now(),
        product=uuid.uuid4(),
    )


def test_outside_a_transaction_they_end_with_each_statement():
    with bounded_writes("default", 70):
        assert write([an_event()]) == 1
        assert limits() == ["70ms", "70ms"]
        assert write([an_event(), an_event()]) == 2
    assert limits() == ["0", "0"]
    assert connection.get_autocommit()
    assert Interaction.objects.count() == 3


@pytest.mark.parametrize("own", ["0", "7s"])
def test_inside_the_shops_transaction_its_own_are_back_after_each_statement(own):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET LOCAL statement_timeout = '{own}'; SET LOCAL lock_timeout = '{own}'"
            )
        with bounded_writes("default", 70):
            assert write([an_event()]) == 1
        assert limits() == [own, own]
        with bounded_writes("default", 70):
            assert Dropped.objects.create(reason="x", count=2).pk
            assert write([an_event(), an_event()]) == 2
        assert limits() == [own, own]
    assert limits() == ["0", "0"]
    assert Interaction.objects.count() == 3


@pytest.mark.parametrize("own", ["0", "7s"])
def test_inside_the_shops_transaction_after_a_write_that_took_too_long(own):
    with faults.slow(), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET LOCAL statement_timeout = '{own}'; SET LOCAL lock_timeout = '{own}'"
            )
        Product.objects.create(label="before")
        with pytest.raises(OperationalError), bounded_writes("default", 30):
            write([an_event()])
        assert limits() == [own, own]
        Product.objects.create(label="after")
    assert Product.objects.count() == 2
    assert not Interaction.objects.exists()


@pytest.mark.parametrize("inside", [False, True])
def test_a_lock_is_not_waited_for(inside):
    with faults.locked("reco_interaction"):
        began = time.monotonic()
        with transaction.atomic() if inside else _nothing():
            with pytest.raises(OperationalError), bounded_writes("default", 30):
                write([an_event()])
            Product.objects.create(label="the shop goes on")
        assert time.monotonic() - began < 0.5
    assert Product.objects.exists()


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def test_inside_a_failure_takes_back_all_that_was_written_in_the_block():
    with transaction.atomic():
        with pytest.raises(IntegrityError), bounded_writes("default", 500):  # noqa: PT012
            write([an_event()])
            Dropped.objects.create(reason="x", count=-1)
        Product.objects.create(label="kept")
    assert not Interaction.objects.exists()
    assert Product.objects.exists()


def test_one_within_another_leaves_the_shops_own_limits():
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 7000")
        with bounded_writes("default", 500), bounded_writes("default", 300):
            assert write([an_event()]) == 1
        assert limits() == ["7s", "0"]


def test_with_autocommit_off():
    """As some shops run it: no block, no autocommit."""
    connection.set_autocommit(False)
    try:
        with bounded_writes("default", 70):
            assert write([an_event()]) == 1
        assert limits() == ["0", "0"]
        connection.commit()
    finally:
        connection.rollback()
        connection.set_autocommit(True)
    assert Interaction.objects.count() == 1


def test_with_server_side_binding():
    """A message then holds one statement only: the limits are made and undone by others."""
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    connection.settings_dict["OPTIONS"] = {**options, "server_side_binding": True}
    connection.__dict__.pop("features", None)
    from django.db.backends.postgresql.features import DatabaseFeatures

    before = connection.features
    connection.features = DatabaseFeatures(connection)
    try:
        with bounded_writes("default", 70):
            assert write([an_event()]) == 1
        assert limits() == ["0", "0"]
        with faults.slow(), pytest.raises(DatabaseError), bounded_writes("default", 30):
            write([an_event()])
    finally:
        connection.close()
        connection.settings_dict["OPTIONS"] = options
        connection.features = before
    assert Interaction.objects.count() == 1
