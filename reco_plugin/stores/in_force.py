"""Which settings the transaction around a store's read has made already.

A caller that reads several times in a transaction it rolls back can make the settings a store wants
(`Tuned.settings`) once, in one statement with its own; the store then does not make them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_made: ContextVar[tuple[str, Mapping[str, str]] | None] = ContextVar("reco_in_force", default=None)


@contextmanager
def made(database: str, settings: Mapping[str, str]) -> Iterator[None]:
    """For the block `settings` stand on `database`, and what ends the block undoes them."""
    token = _made.set((database, settings))
    try:
        yield
    finally:
        _made.reset(token)


def holds(database: str, settings: Mapping[str, str]) -> bool:
    """Do all of `settings` stand on `database` now?"""
    found = _made.get()
    return found is not None and found[0] == database and settings.items() <= found[1].items()
