"""What an error of the database means: is it down or slow, or did we ask something wrong?

Says so in words that hold nothing personal: a database quotes the row it refuses, we do not.
"""

from __future__ import annotations

from django.db import Error, InterfaceError, OperationalError

QUERY_CANCELED = "57014"
_OUT = ("08", "53", "57", "58", "XX")
"""Classes of SQLSTATE: connection lost, out of resources, shut down or cancelled, disk, corruption."""
_OUT_STATES = {"55P03", "25006"}
"""A lock that is not given in time; a server that is read-only, as after a fail-over."""
_PASSING = {"40001", "40P01", "42P01", "42703"}
"""Serialization failure, deadlock; a table or column that a migration under way has yet to make."""


def sqlstate(error: BaseException | None) -> str:
    """PostgreSQL's five-character code of an error, through Django's wrapping; '' for none."""
    return _code(error, "sqlstate")


def _code(error: BaseException | None, name: str) -> str:
    while error is not None:
        if found := getattr(error, name, None):
            return str(found)
        error = error.__cause__
    return ""


def is_outage(error: BaseException) -> bool:
    """Is the database slow, full, locked, or not to be reached? A mistake in a query is no outage."""
    if code := sqlstate(error):
        return code.startswith(_OUT) or code in _OUT_STATES
    if _code(error, "sqlite_errorname") == "SQLITE_ERROR":  # no such table, say
        return False
    return isinstance(error, OperationalError | InterfaceError)


def is_passing(error: BaseException) -> bool:
    """Is it worth trying the same again a little later?"""
    return is_outage(error) or sqlstate(error) in _PASSING


def in_words(error: BaseException) -> str:
    """An error in few words, without anything it quotes: 'statement timeout', 'IntegrityError 23505'."""
    code = sqlstate(error)
    if code == QUERY_CANCELED:
        return "statement timeout"
    name = type(error).__name__
    return f"{name} {code}".rstrip() if isinstance(error, Error) else name


def is_of_database(error: BaseException | None) -> bool:
    """Did the database say it, here or further down? Then its text may quote a row."""
    while error is not None:
        if isinstance(error, Error):
            return True
        error = error.__cause__ or error.__context__
    return False
