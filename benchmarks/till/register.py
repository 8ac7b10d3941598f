"""A process that checks out: each line it reads asks for one more order, each it writes tells how long.

Started by `benchmarks.checkout`, once with recommendations and once without.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

SHOP_CORE, DATABASE_CORE = 0, 1
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
TOKEN = "c" * 32
DETAILS = {"name": "Ann", "email": "ann@example.com", "address": "1 High Street"}
PRODUCTS = 60
WARM = 20


def set_up() -> None:
    """Tables, and a shop with something in it. Runs once per database."""
    from django.core.management import call_command
    from django.db import connection

    if os.environ["TILL"] == "with":
        with connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    call_command("migrate", verbosity=0, interactive=False)
    _fill()


def _fill() -> None:
    from example_shop.shop.models import Brand, Category, Product, StockRecord

    shelf = Category.objects.create(name="Boots", path="boots")
    brand = Brand.objects.create(name="Fern")
    made = Product.objects.bulk_create(
        Product(title=f"Boot {n}", slug=f"boot-{n}", category=shelf, brand=brand, price=10 + n)
        for n in range(PRODUCTS)
    )
    StockRecord.objects.bulk_create(StockRecord(product=each, quantity=10**6) for each in made)


def keep_apart() -> None:
    """The shop on one core, its connections' other ends on another: the same place for every shop.

    Left to itself the scheduler puts the two ends of a connection now on one core and now on two, by how
    much each process worked before; on two cores that alone moves an order by a tenth.
    """
    if len(os.sched_getaffinity(0)) < 2:
        return
    from django.db.backends.signals import connection_created

    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[SHOP_CORE]})

    def place(connection: Any, **_: Any) -> None:
        pid = connection.connection.info.backend_pid
        with contextlib.suppress(OSError):  # a server elsewhere, or one that is another user's
            os.sched_setaffinity(pid, {cores[DATABASE_CORE]})

    connection_created.connect(place, weak=False)


class Till:
    """One shopper after the other fills a cart, looks at it (unless TILL_WAY is 'straight') and at the form,
    and places the order.

    Redirects are followed, as a browser does. Only the last step is timed.
    """

    def __init__(self) -> None:
        from django.core.wsgi import get_wsgi_application

        self.application: Any = get_wsgi_application()
        self.number = 0
        self._counts = False

    def checkout(self) -> dict[str, Any]:
        """Seconds until the response is complete, and how long the process was held after it."""
        cookies = {"csrftoken": TOKEN}
        for _ in range(2):
            self.number += 1
            self._post("/cart/add/", {"product": 1 + self.number % PRODUCTS}, cookies)
            if os.environ.get("TILL_WAY") != "straight":
                self._get("/cart/", cookies)
        self._get("/checkout/", cookies)
        gc.collect()
        gc.disable()
        try:
            with _counted(self._counts) as counted:
                status, place, waited, held = self._post("/checkout/", DETAILS, cookies)
        finally:
            gc.enable()
        return {
            "outcome": f"{status} {place}",
            "waited": waited,
            "held": held,
            "calls": counted["complete"],
        }

    def calls(self) -> int:
        """Python functions entered from the arrival of one order until its response is complete."""
        self._counts = True
        try:
            return int(self.checkout()["calls"])
        finally:
            self._counts = False

    def _post(
        self, path: str, data: dict[str, Any], cookies: dict[str, str]
    ) -> tuple[str, str, float, float]:
        body = urlencode({**data, "csrfmiddlewaretoken": TOKEN})
        return self._ask("POST", path, body, cookies)

    def _get(self, path: str, cookies: dict[str, str]) -> None:
        status, *_ = self._ask("GET", path, "", cookies)
        if not status.startswith("200"):
            raise RuntimeError(f"{path} answered {status}.")

    def _ask(
        self, method: str, path: str, body: str, cookies: dict[str, str]
    ) -> tuple[str, str, float, float]:
        """Status, Location, seconds until the response was complete, and from then until it was closed."""
        told: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            told.update(status=status, headers=headers)

        environ = _environ(method, path, body, cookies)
        began = time.perf_counter()
        response = self.application(environ, start_response)
        b"".join(response)
        complete = time.perf_counter()
        sys.setprofile(None)
        response.close()
        ended = time.perf_counter()
        place = ""
        for name, value in told["headers"]:
            if name == "Set-Cookie":
                cookies |= {key: each.value for key, each in SimpleCookie(value).items()}
            place = value if name == "Location" else place
        return told["status"], place, complete - began, ended - complete


@contextlib.contextmanager
def _counted(wanted: bool) -> Iterator[dict[str, int]]:
    """Counts calls until somebody sets another profile function."""
    counted = {"complete": 0}

    def count(_frame: Any, event: str, _told: Any) -> None:
        counted["complete"] += event == "call"

    sys.setprofile(count if wanted else None)
    try:
        yield counted
    finally:
        sys.setprofile(None)


def _environ(method: str, path: str, body: str, cookies: dict[str, str]) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": PERSON,
        "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body.encode()),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def placed() -> list[int]:
    """Orders and lines, as the shop's tables have them."""
    from example_shop.shop.models import Order, OrderLine

    return [Order.objects.count(), OrderLine.objects.count()]


def main() -> None:
    import django

    keep_apart()
    django.setup()
    if "CELERY_BROKER_URL" in os.environ:
        from celery import Celery

        Celery("till", broker=os.environ["CELERY_BROKER_URL"]).set_default()
    if "TILL_SET_UP" in os.environ:
        set_up()
    till, answer = Till(), sys.stdout
    commands = {"checkout": till.checkout, "placed": placed, "calls": till.calls}
    for _ in range(WARM if "TILL_SET_UP" not in os.environ else 0):
        till.checkout()
    gc.collect()
    gc.freeze()  # what was imported is not walked through between two orders
    print(json.dumps("ready"), file=answer, flush=True)
    for line in sys.stdin:
        print(json.dumps(commands[line.strip()]()), file=answer, flush=True)


if __name__ == "__main__":
    main()
