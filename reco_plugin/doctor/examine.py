"""Every probe, in the order in which a newcomer meets what it asks about."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import DatabaseError

from reco_plugin import backends
from reco_plugin.doctor import (
    blend,
    database,
    drift,
    host,
    indexes,
    orders,
    pictures,
    plans,
    setup,
    tables,
    training,
    workers,
)
from reco_plugin.doctor.finding import Finding, Probe, warning
from reco_plugin.doctor.readiness import waiting

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One probe and what it costs."""

    ask: Probe
    needs: str = ""
    """'database', or 'tables' when it reads ours."""
    is_slow: bool = False
    """Starts a process or calls another machine."""


QUESTIONS = (
    Question(ask=setup.checks),
    Question(ask=database.server, needs="database"),
    Question(ask=database.clocks, needs="database"),
    Question(ask=database.pooler, needs="database"),
    Question(ask=database.vectors, needs="database"),
    Question(ask=tables.migrations, needs="database"),
    Question(ask=tables.privileges, needs="tables"),
    Question(ask=indexes.sound, needs="tables"),
    Question(ask=indexes.recall, needs="tables"),
    Question(ask=plans.of_our_queries, needs="tables"),
    Question(ask=orders.are_read, needs="tables"),
    Question(ask=orders.dates, needs="tables"),
    Question(ask=orders.dropped, needs="tables"),
    Question(ask=pictures.known, needs="tables"),
    Question(ask=pictures.are_read, needs="tables", is_slow=True),
    Question(ask=workers.jobs, needs="tables"),
    Question(ask=host.folder),
    Question(ask=host.cache),
    Question(ask=workers.broker, is_slow=True),
    Question(ask=training.installed),
    Question(ask=training.memory, needs="tables"),
    Question(ask=training.child_process, is_slow=True),
    Question(ask=training.tuning, needs="tables"),
    Question(ask=blend.ranker, needs="tables"),
    Question(ask=drift.watched, needs="tables"),
)


def probes(site: int | None = None, *, fast: bool = False) -> Iterator[Finding]:
    """Ask every probe about `site`; `fast` starts no process and calls no broker.

    What needs the database is left out where that cannot be reached, what needs our tables where
    they, or the product they point to, are not there. A probe that breaks is a finding of its own;
    nothing is raised.
    """
    site = backends.site() if site is None else site
    lacking: set[str] = set()
    for reached in database.reachable(site):
        yield reached
        if reached.level == "error":
            lacking = {"database", "tables"}
    if not lacking and not (setup.product_is_installed() and tables.are_there()):
        lacking = {"tables"}
    for question in QUESTIONS:
        if question.needs not in lacking and not (fast and question.is_slow):
            yield from _asked(question.ask, site)


def _asked(ask: Probe, site: int) -> Iterator[Finding]:
    name = f"{ask.__module__.rpartition('.')[2]}.{ask.__name__}"
    try:
        yield from ask(site)
    except DatabaseError as error:
        yield warning(name, f"The database would not say: {str(error).strip().splitlines()[0]}")
    except Exception as error:  # one broken probe must not hide the others
        logger.debug("probe %s", name, exc_info=True)
        yield warning(name, f"This could not be looked at: {type(error).__name__}: {error}")


def next_step(site: int | None = None, findings: Iterable[Finding] = ()) -> str:
    """The one thing to do next, in words: an error first, then the data, then a warning."""
    found = [finding for finding in findings if finding.hint]
    for finding in found:
        if finding.level == "error":
            return _step(finding)
    try:
        for kind in waiting(site):
            return kind.next_step
    except DatabaseError:
        pass  # the findings tell of it
    for finding in found:
        if finding.level == "warning":
            return _step(finding)
    return ""


def _step(finding: Finding) -> str:
    """A command says all; anything else is told with what it is about."""
    if finding.hint.startswith("python ") or finding.hint in finding.words:
        return finding.hint
    return f"{finding.words.partition(chr(10))[0].rstrip('.')}. {finding.hint}"
