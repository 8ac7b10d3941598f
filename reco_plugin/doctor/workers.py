"""Does anything run the jobs, and does the broker answer?"""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import SplitResult, urlsplit

from django.conf import settings as django_settings

from reco_plugin import clock, conf
from reco_plugin.doctor.finding import Finding, note, ok, warning
from reco_plugin.models import Job

SEEN_LATELY = dt.timedelta(hours=24)
BROKER_SECONDS = 1.0
PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671, "pyamqp": 5672}
GREETINGS = {"redis": b"PING\r\n", "amqp": b"AMQP\x00\x00\x09\x01"}
"""Something every server of the kind answers at once, whoever asks."""


def jobs(site: int) -> Iterator[Finding]:
    rows = list(Job.objects.using(conf.settings.DATABASE).filter(site=site).order_by("name"))
    seen = [at for row in rows for at in (row.beat_at, row.finished_at) if at is not None]
    how = (
        "Start one: python manage.py reco_tick from cron every minute, or a Celery worker and beat."
    )
    if not seen:
        yield warning("workers.jobs", "No worker has been seen yet: nothing runs the jobs.", how)
    elif clock.now() - max(seen) > SEEN_LATELY:
        yield warning(
            "workers.jobs", f"No worker has been seen since {max(seen):%d %b %H:%M}.", how
        )
    else:
        yield ok("workers.jobs", f"A worker was last seen at {max(seen):%d %b %H:%M} UTC.")
    for row in rows:
        if row.failures:
            yield warning(
                f"workers.{row.name}",
                f"{row.name} has failed {row.failures} times in a row: {row.error.partition(chr(10))[0]}",
                f"Mend that, then: python manage.py reco_jobs start {row.name}",
            )
        if row.is_paused:
            yield note(
                f"workers.{row.name}",
                f"{row.name} is paused.",
                f"python manage.py reco_jobs resume {row.name}",
            )


def broker(site: int) -> Iterator[Finding]:
    """Where Celery is configured: does its broker answer within a second? No queue is touched."""
    url = urlsplit(broker_url())
    if url.scheme not in PORTS or not url.hostname:
        return
    where = f"{url.hostname}:{url.port or PORTS[url.scheme]}"
    start = time.monotonic()
    try:
        _greet(url)
    except (OSError, ValueError) as problem:
        yield warning(
            "workers.broker",
            f"The broker at {where} does not answer within {BROKER_SECONDS:g} s: {problem}",
            "Start it, or look at CELERY_BROKER_URL. The shop's pages never wait for it.",
        )
    else:
        took = (time.monotonic() - start) * 1_000
        yield ok("workers.broker", f"The broker at {where} answers in {took:.0f} ms.")


def broker_url() -> str:
    """As Django's settings or the loaded Celery app have it; '' without Celery."""
    for name in ("CELERY_BROKER_URL", "BROKER_URL"):
        if url := getattr(django_settings, name, ""):
            return str(url)
    celery = sys.modules.get("celery")
    found = celery.current_app.conf.broker_url if celery else None
    return str(found or "")


def _greet(url: SplitResult) -> None:
    """Connect, say hello and wait for one byte, all within the limit."""
    deadline = time.monotonic() + BROKER_SECONDS
    address = (str(url.hostname), url.port or PORTS[url.scheme])
    connection: socket.socket = socket.create_connection(address, timeout=BROKER_SECONDS)
    with closing(connection):
        connection.settimeout(max(deadline - time.monotonic(), 0.01))
        if url.scheme in ("rediss", "amqps"):
            context = ssl.create_default_context()
            connection = context.wrap_socket(connection, server_hostname=url.hostname)
        connection.sendall(GREETINGS["redis" if url.scheme.startswith("redis") else "amqp"])
        connection.settimeout(max(deadline - time.monotonic(), 0.01))
        if not connection.recv(1):
            raise ConnectionError("it hung up")
