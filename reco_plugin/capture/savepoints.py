"""A failure of ours inside the shop's transaction must leave that transaction usable."""

from __future__ import annotations

import contextlib

from django.db import connections, transaction


def savepoint(using: str) -> contextlib.AbstractContextManager[None]:
    """A savepoint where a transaction is open; nothing where there is none, which needs none."""
    if connections[using].in_atomic_block:
        return transaction.atomic(using=using)
    return contextlib.nullcontext()
