"""The database server: is it there, how old is it, what time does it keep, who stands before it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.conf import settings as django_settings
from django.db import DatabaseError, connections

from reco_plugin import clock, conf
from reco_plugin.doctor.finding import Finding, error, note, ok, warning
from reco_plugin.doctor.looking import is_postgresql, looking, rows
from reco_plugin.stores.pgvector import requirements

OLDEST = 14
ADVISED = 15
CLOCK_SECONDS = 2.0
WRONG_CLOCK_SECONDS = 60.0


def reachable(site: int) -> Iterator[Finding]:
    using = conf.settings.DATABASE
    try:
        with looking() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as problem:
        yield error(
            "database.reachable",
            f"Database {using!r} cannot be reached: {str(problem).strip().splitlines()[0]}",
            f"Start it, or look at DATABASES[{using!r}].",
        )
    else:
        yield ok("database.reachable", f"Database {using!r} answers.")


def server(site: int) -> Iterator[Finding]:
    if not is_postgresql():
        vendor = connections[conf.settings.DATABASE].display_name
        yield note(
            "database.server",
            f"{vendor}: vectors are kept by the numpy store. Good for development and tests.",
            "Use PostgreSQL with pgvector in production.",
        )
        return
    ((number, text),) = rows(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
    )
    major = int(number) // 10_000
    if major < OLDEST:
        yield error(
            "database.server", f"PostgreSQL {text} is too old.", f"Upgrade to {ADVISED} or newer."
        )
    elif major < ADVISED:
        yield warning(
            "database.server",
            f"PostgreSQL {text} gets no corrections any more.",
            f"Upgrade to {ADVISED} or newer; Django 6.1 needs it too.",
        )
    else:
        yield ok("database.server", f"PostgreSQL {text}.")


def clocks(site: int) -> Iterator[Finding]:
    """What is due is decided by the database's clock; what happened when, by this host's."""
    if not is_postgresql():
        return
    before = clock.now()
    ((theirs,),) = rows("SELECT extract(epoch FROM clock_timestamp())")
    after = clock.now()
    middle = before + (after - before) / 2
    apart = abs(float(theirs) - middle.timestamp()) - (after - before).total_seconds() / 2
    words = f"The clocks of this host and of the database are {max(apart, 0):.1f} s apart."
    hint = "Let both follow a time server (chrony, systemd-timesyncd)."
    if apart > WRONG_CLOCK_SECONDS:
        yield error("database.clocks", words, hint)
    elif apart > CLOCK_SECONDS:
        yield warning("database.clocks", words, hint)
    else:
        yield ok("database.clocks", f"Host and database agree on the time ({_utc(middle)}).")


def _utc(moment: dt.datetime) -> str:
    return moment.strftime("%H:%M:%S UTC")


def pooler(site: int) -> Iterator[Finding]:
    """A pooler in transaction mode breaks server-side cursors, which our syncs read by."""
    if not is_postgresql():
        return
    using = conf.settings.DATABASE
    ours = str(connections[using].settings_dict.get("PORT") or "")
    ((theirs,),) = rows("SELECT coalesce(inet_server_port(), current_setting('port')::int)")
    if not ours or ours == str(theirs):
        return
    if django_settings.DATABASES[using].get("DISABLE_SERVER_SIDE_CURSORS"):
        yield ok("database.pooler", "A pooler stands before the server; cursors are made for it.")
        return
    yield note(
        "database.pooler",
        f"We connect to port {ours}, the server listens on {theirs}: a pooler or a mapped port.",
        f"Is it PgBouncer in transaction mode? Then set DATABASES[{using!r}]"
        "['DISABLE_SERVER_SIDE_CURSORS'] = True.",
    )


def vectors(site: int) -> Iterator[Finding]:
    """The pgvector extension, with the SQL a DBA has to run."""
    if not is_postgresql():
        return
    found = requirements.ask(conf.settings.DATABASE)
    blockers, advice = list(found.blockers()), list(found.advice())
    tell = error if conf.settings.STORE == "pgvector" else warning
    for words in blockers:
        yield tell("database.vectors", words, words)
    for words in advice:
        yield warning("database.vectors", words, words)
    if not blockers and not advice:
        installed = found.version or f"{found.available}, installed by the first training"
        yield ok("database.vectors", f"pgvector {installed}.")
