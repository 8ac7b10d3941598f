"""The database server and its vector extension: only asked under `check --database` and `migrate`."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.checks import Tags
from django.core.checks import Warning as Caution
from django.db import DatabaseError, connections

from reco_plugin import conf
from reco_plugin.checks.registration import Messages, check
from reco_plugin.exceptions import StoreError
from reco_plugin.stores.pgvector import requirements

OLDEST_POSTGRESQL = 15
BY_PGVECTOR = ("auto", "pgvector")


@check(Tags.database)
def extension(databases: Sequence[str]) -> Messages:
    """reco.W011, reco.W012"""
    if conf.settings.STORE not in BY_PGVECTOR or not _may_ask(databases):
        return
    try:
        found = requirements.ask(conf.settings.DATABASE)
    except (StoreError, DatabaseError):
        return  # what cannot be asked is said by reco.W005
    if conf.settings.STORE == "auto":
        for reason in found.blockers():
            yield Caution(
                f"RECO_STORE = 'auto' fell back to numpy: {reason}",
                hint="Vectors are kept in ordinary tables and searched in Python: right up to some ten "
                "thousand products. If that is meant, say RECO_STORE = 'numpy'.",
                id="reco.W011",
            )
    for advice in found.advice():
        yield Caution(
            advice.partition("; ")[0] + ".",
            hint=f"Ask a DBA to {advice.partition('; ')[2]}",
            id="reco.W012",
        )


@check(Tags.database)
def postgresql(databases: Sequence[str]) -> Messages:
    """reco.W013"""
    if not _may_ask(databases):
        return
    try:
        with connections[conf.settings.DATABASE].cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
            (major,) = cursor.fetchone()
    except DatabaseError:
        return
    if major < OLDEST_POSTGRESQL:
        yield Caution(
            f"PostgreSQL {major} gets no corrections any more, and Django 6.1 refuses it.",
            hint=f"Upgrade the server to {OLDEST_POSTGRESQL} or newer.",
            id="reco.W013",
        )


def _may_ask(databases: Sequence[str]) -> bool:
    using = conf.settings.DATABASE
    return using in databases and connections[using].vendor == "postgresql"
