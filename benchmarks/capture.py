"""One product view, from `track()` to the row, beside the same INSERT through a bare cursor."""

from __future__ import annotations

import datetime as dt
import gc
import time
import uuid
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Bench, Row, database, timing

TITLE = "capture: one view, against the same INSERT through a bare cursor of the same connection"
BAR = 2.5
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
FLOOR = (
    "INSERT INTO reco_interaction (site, event_id, kind, shopper, user_id, product_id, quantity, "
    'price, currency, "order", rating, query, source, device, occurred_at, received_at) VALUES '
    "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
    "ON CONFLICT (site, event_id) DO NOTHING"
)


def run(bench: Bench) -> list[Row]:
    """Rows for a guest and for a user, with and without waiting for the disk at commit."""
    pairs = 100 if bench.quick else 1_000
    with database(), bench.progress(4, "views") as bar:
        rows = [_statements()]
        for who, request in (("guest", _guest), ("user", _user())):
            for disk in ("on", "off"):
                rows.append(_compare(who, request, disk, pairs))
                bar.update()
    return rows


def _compare(who: str, request: Callable[[], Any], disk: str, repeats: int) -> Row:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SET synchronous_commit = {disk}")
    figure, floor = _figure(request), _floor(request)
    took = timing(_pairs(figure, floor, repeats))
    note = "" if disk == "on" else "synchronous_commit off: Python weighs most"
    name = f"{who}, commit {'waits for' if disk == 'on' else 'does not wait for'} the disk"
    return Row.at_most(
        name, took.figure * 1e6, took.floor * 1e6, BAR, ratio=took.ratio, unit="µs", note=note
    )


def _pairs(
    figure: Callable[[], float], floor: Callable[[], float], repeats: int
) -> list[tuple[float, float]]:
    """Seconds of both in turn, call by call; each prepares its own request before its clock starts."""
    for _ in range(repeats // 10):
        floor()
        figure()
    gc.collect()
    gc.disable()
    try:
        return [
            (figure(), floor()) if turn % 2 else (floor(), figure())[::-1]
            for turn in range(repeats)
        ]
    finally:
        gc.enable()


def _figure(new_request: Callable[[], Any]) -> Callable[[], float]:
    """What a view of the shop calls: consent, bots, identity, cleaning and the write."""
    from reco_plugin import track

    def view() -> float:
        request, product = new_request(), _product()
        began = time.perf_counter()
        track(request, "view_item", product)
        return time.perf_counter() - began

    return view


def _floor(new_request: Callable[[], Any]) -> Callable[[], float]:
    """A developer who has every value at hand, and the driver's own cursor."""
    from django.db import connection

    from reco_plugin.capture import identify

    def insert() -> float:
        shopper = identify(new_request())
        product = _product()
        assert shopper is not None
        began = time.perf_counter()
        now = dt.datetime.now(dt.UTC)
        values = (
            1, uuid.uuid4(), 1, shopper.id, shopper.user, product.pk, 1,
            None, "", "", None, "", 2, "desktop", now, now,
        )  # fmt: skip
        with connection.connection.cursor() as cursor:
            cursor.execute(FLOOR, values)
        return time.perf_counter() - began

    return insert


def _statements() -> Row:
    """How many statements one view of a guest and of a user runs, in all."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    view = _figure(_guest)
    view()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        view()
    assert "INSERT INTO" in queries.captured_queries[0]["sql"]
    return Row.at_most("statements of one view", len(queries), 1, 1, unit="INSERT")


def _product() -> Any:
    from benchmarks.shop.models import Product

    return Product(pk=1 + uuid.uuid4().int % 100_000)


def _guest() -> Any:
    """A request as it reaches a view: the visitor has a cookie, nothing of ours was asked yet."""
    from django.contrib.auth.models import AnonymousUser
    from django.test import RequestFactory

    request = RequestFactory(headers={"user-agent": PERSON}).get("/p/1/")
    request.COOKIES["reco_visitor"] = str(uuid.uuid4())
    request.user = AnonymousUser()
    return request


def _user() -> Callable[[], Any]:
    from django.contrib.auth import get_user_model

    users = [get_user_model()(pk=pk) for pk in range(1, 1_001)]

    def request() -> Any:
        made = _guest()
        made.user = users[uuid.uuid4().int % len(users)]
        return made

    return request
