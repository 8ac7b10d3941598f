"""What we log holds no personal data, whatever an error quotes.

A database quotes the row it refuses, and so does a traceback that ends in such an error; a shop's own
hook may raise with an e-mail address in it. One filter on every logger of ours puts plain words in
their place before any handler sees the record; formatters find `record.reco`, a dictionary, on each.
"""

from __future__ import annotations

import contextlib
import logging
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg
from django.db import Error

from reco_plugin.exceptions import RecoError
from reco_plugin.outages import in_words

NAME = "reco_plugin"
_EMAIL = re.compile(r"[^\s'\"<>(=,;:]+@[^\s'\"<>),;]+")
HIDDEN = "[e-mail]"


class Discreet(logging.Filter):
    """Lets every record through, without what it must not say."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.reco = getattr(record, "reco", {})
        with contextlib.suppress(
            Exception
        ):  # a message that cannot be made is the handler's to report
            self._hide(record)
        return True

    def _hide(self, record: logging.LogRecord) -> None:
        errors = _errors(record)
        if record.exc_info and (errors or _EMAIL.search(str(record.exc_info[1]))):
            record.exc_text, record.exc_info = _traceback(record.exc_info[1], errors), None
        message = record.getMessage()
        told = _without(message, errors)
        if told != message:
            record.msg, record.args = told, ()


def be_discreet() -> None:
    """Put the filter on the logger of each of our modules, those not imported yet among them."""
    for name in _modules():
        logger = logging.getLogger(name)
        if not any(isinstance(each, Discreet) for each in logger.filters):
            logger.addFilter(Discreet())


def plain(error: BaseException) -> str:
    """What `error` says, without what a database quotes in it: fit to be kept in a row or a log."""
    return _without(str(error), _of_database(error))


def kept(error: BaseException) -> str:
    """`plain`, after the kind of error where it is not one of ours: as a column takes it."""
    said = plain(error).replace("\x00", "")
    kind = type(error).__name__
    return said if isinstance(error, RecoError) or said.startswith(kind) else f"{kind}: {said}"


def _modules() -> Iterator[str]:
    home = Path(__file__).parent
    for path in home.rglob("*.py"):
        parts = path.relative_to(home.parent).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__")


def _errors(record: logging.LogRecord) -> list[BaseException]:
    """Every error of a database that the record tells of, with what they came from."""
    given = record.args.values() if isinstance(record.args, dict) else record.args or ()
    heads = [each for each in given if isinstance(each, BaseException)]
    if record.exc_info and record.exc_info[1] is not None:
        heads.append(record.exc_info[1])
    return [error for head in heads for error in _of_database(head)]


def _of_database(head: BaseException) -> list[BaseException]:
    return [error for error in _chain(head) if isinstance(error, Error | psycopg.Error)]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _traceback(error: BaseException | None, hidden: list[BaseException]) -> str:
    """As Python shows it, innermost cause first, each error in words that quote nothing."""
    parts = [
        "Traceback (most recent call last):\n"
        + "".join(traceback.format_tb(each.__traceback__))
        + f"{type(each).__name__}: {_without(str(each), hidden)}"
        for each in _chain(error)
    ]
    return "\n\nwhich led to:\n\n".join(reversed(parts))


def words(error: BaseException) -> str:
    """What is wrong, without the values: a server gives those in its DETAIL, and in class 22."""
    source = next((each for each in _chain(error) if isinstance(each, psycopg.Error)), None)
    if source is None or source.sqlstate is None:
        return str(error).strip().partition("\n")[0]
    primary = "" if source.sqlstate.startswith("22") else source.diag.message_primary or ""
    return f"{in_words(error)} {primary}".rstrip()


def _without(text: str, errors: list[BaseException]) -> str:
    for error in errors:
        if said := str(error).strip():
            text = text.replace(said, words(error))
    return _EMAIL.sub(HIDDEN, text)
