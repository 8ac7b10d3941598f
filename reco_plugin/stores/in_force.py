"""Which settings the transaction around a store's read has made already.

A caller that reads several times in a transaction it rolls back can make the settings a store wants
(`Tuned.settings`) once, in one statement with its own; the store then does not make them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import TypeAlias

_made: ContextVar[tuple[str, Mapping[str, str]] | None] = ContextVar("reco_in_force", default=None)


Made: TypeAlias = Token[tuple[str, Mapping[str, str]] | None]


def make(database: str, settings: Mapping[str, str]) -> Made:
    """From now on `settings` stand on `database`, until `unmake`."""
    return _made.set((database, settings))


def unmake(token: Made) -> None:
    """They have been undone."""
    _made.reset(token)


def holds(database: str, settings: Mapping[str, str]) -> bool:
    """Do all of `settings` stand on `database` now?"""
    found = _made.get()
    return found is not None and found[0] == database and settings.items() <= found[1].items()
