"""When a holder of a job counts as alive: its beats, by the clock of the database."""

from __future__ import annotations

import datetime as dt
import os
import socket
from typing import Any

from django.db import connections
from django.db.models import DateTimeField, Func, Q, QuerySet
from django.db.models.functions import Now

from reco_plugin import conf
from reco_plugin.models import Job

SILENCE = 1.5
"""Heartbeats without a word after which a holder counts as dead: found out within two."""
BEATS = 3
"""Beats sent in the time of one heartbeat, so that one that is lost does no harm."""


class Present(Func):
    """The database's clock as it is when the row is written: `Now()` would be as old as a statement
    that had to wait for the row."""

    template = "CLOCK_TIMESTAMP()"
    output_field = DateTimeField()

    def as_sqlite(self, *args: Any, **kwargs: Any) -> Any:
        return Now().as_sqlite(*args, **kwargs)

    def as_mysql(self, *args: Any, **kwargs: Any) -> Any:
        return Now().as_mysql(*args, **kwargs)

    def as_oracle(self, *args: Any, **kwargs: Any) -> Any:
        return Now().as_oracle(*args, **kwargs)


def silence() -> dt.timedelta:
    """How long a holder may be silent."""
    return dt.timedelta(seconds=conf.settings.HEARTBEAT_SECONDS * SILENCE)


def pause() -> float:
    """Seconds between two beats."""
    return conf.settings.HEARTBEAT_SECONDS / BEATS


def silent() -> Q:
    """Rows whose holder is silent, or was last heard of in the future: then the clock was set back."""
    return Q(beat_at__lt=Now() - silence()) | Q(beat_at__gt=Now() + silence())


def rows() -> QuerySet[Job]:
    return Job.objects.using(conf.settings.DATABASE)


def holder() -> str:
    """This process, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"[:255]


def is_private() -> bool:
    """No other connection sees what this one writes: inside a transaction, or in memory."""
    connection: Any = connections[conf.settings.DATABASE]
    if connection.in_atomic_block:
        return True
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())
