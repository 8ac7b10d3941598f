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

from reco_plugin import clock
from reco_plugin.doctor.finding import Finding, note, ok, warning
from reco_plugin.jobs.running.schedule import Standing, standing

MINUTE = dt.timedelta(minutes=1)
LATE = 15 * MINUTE
BROKER_SECONDS = 1.0
PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671, "pyamqp": 5672}
GREETINGS = {"redis": b"PING\r\n", "amqp": b"AMQP\x00\x00\x09\x01"}
"""Something every server of the kind answers at once, whoever asks."""


def jobs(site: int) -> Iterator[Finding]:
    """What should have started a while ago says that nothing starts it."""
    found = standing(site)
    late = [job for job in found if _is_late(job)]
    if late:
        yield warning(
            "workers.jobs",
            f"Due, and nothing starts them: {', '.join(job.spec.name for job in late)}.",
            "Let something call reco_tick: cron every minute (* * * * * python manage.py reco_tick), "
            "python manage.py reco_tick --loop, or Celery's beat.",
            docs="howto/run-the-jobs",
        )
    else:
        yield ok("workers.jobs", f"No job has waited for {LATE // MINUTE} minutes.")
    for job in found:
        yield from _standing_of(job)


def _is_late(job: Standing) -> bool:
    """Never done and due, or due for longer than a tick that comes now and then explains."""
    due_at = clock.aware(job.due_at)
    if not job.is_due or due_at is None:
        return False
    is_new = job.row is None or job.row.succeeded_at is None
    return is_new or clock.now() - due_at > LATE


def _standing_of(job: Standing) -> Iterator[Finding]:
    name, row = job.spec.name, job.row
    if row is None:
        return
    if row.failures:
        reason = row.error.partition("\n")[0]
        often = "" if row.failures == 1 else f" {row.failures} times in a row"
        yield warning(
            f"workers.{name}",
            f"{name} has failed{often}: {reason}",
            f"Mend that, then: python manage.py reco_jobs start {name}",
        )
    if row.is_paused:
        yield note(
            f"workers.{name}", f"{name} is paused.", f"python manage.py reco_jobs resume {name}"
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
