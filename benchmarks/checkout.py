"""Placing an order in the example shop: with us installed, beside the same shop without us.

Two processes of the same shape, in turn, each on a database of its own on one server. Timed is what the
shopper waits for: the POST that places the order, until its response is complete. How long the worker
was held after that is told apart.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from benchmarks.harness import URL, Bench, Row, create_database, server, timing
from benchmarks.harness import _python_path as python_path

TITLE = "checkout: an order of the example shop with us installed, beside the same shop without us"
MEDIAN, SLOWEST = 1.05, 1.2
ROUND = 20
"""Orders whose slowest is compared with the slowest of as many without us."""
HELD = 0.2
"""Seconds a worker may be held after the response, at most."""
TABLES = "SELECT format('%I', relname) FROM pg_class WHERE relkind IN ('r', 'p') AND relname LIKE 'reco\\_%'"


@dataclass(frozen=True, kw_only=True)
class Fault:
    name: str
    around: Callable[[], AbstractContextManager[dict[str, str]]]
    """Breaks something before the shop starts; gives variables for its process."""
    during: Callable[[str], AbstractContextManager[None]]
    """Given our database's URL, breaks something while the shop is running."""


def run(bench: Bench) -> Iterator[Row]:
    """Four rows for each fault: median, slowest, outcome, and how long the worker was held."""
    rounds = 3 if bench.quick else 40
    with server(), _databases() as urls, bench.progress(len(FAULTS), "faults") as bar:
        for fault in FAULTS:
            yield from _measure(fault, urls, rounds)
            bar.update()


@contextlib.contextmanager
def _databases() -> Iterator[dict[str, str]]:
    """The shop's tables twice, ours in one of them."""
    base, urls = os.environ[URL], {}
    for till in ("with", "without"):
        os.environ[URL] = base
        create_database(f"till_{till}")
        urls[till] = os.environ[URL]
        with _till(till, urls[till], {"TILL_SET_UP": "1"}):
            pass
    os.environ[URL] = base
    yield urls


def _measure(fault: Fault, urls: dict[str, str], rounds: int) -> Iterator[Row]:
    with (
        fault.around() as variables,
        _till("with", urls["with"], variables) as ours,
        _till("without", urls["without"], {}) as bare,
        fault.during(urls["with"]),
    ):
        before = ours("placed"), bare("placed")
        pairs = [_pair(ours, bare, turn) for turn in range(rounds * ROUND)]
        after = ours("placed"), bare("placed")
    yield from _rows(fault.name, pairs, rounds)
    yield _outcomes(fault.name, pairs, before, after)


def _pair(ours: Any, bare: Any, turn: int) -> tuple[dict[str, Any], dict[str, Any]]:
    if turn % 2:
        mine = ours("checkout")
        return mine, bare("checkout")
    plain = bare("checkout")
    return ours("checkout"), plain


def _rows(name: str, pairs: list[Any], rounds: int) -> Iterator[Row]:
    waited = [(mine["waited"], bare["waited"]) for mine, bare in pairs]
    took = timing(waited)
    ratio = took.figure / took.floor
    yield Row.at_most(
        f"{name}: median", took.figure * 1e3, took.floor * 1e3, MEDIAN, ratio=ratio, unit="ms"
    )
    slowest = [_slowest(waited[at * ROUND : (at + 1) * ROUND]) for at in range(rounds)]
    took = timing(slowest)
    worst = " / ".join(f"{max(column) * 1e3:.1f}" for column in zip(*waited, strict=True))
    yield Row.at_most(
        f"{name}: slowest of {ROUND}",
        took.figure * 1e3,
        took.floor * 1e3,
        SLOWEST,
        ratio=took.figure / took.floor,
        unit="ms",
        note=f"slowest of all {worst} ms",
    )
    held = [mine["held"] for mine, _ in pairs]
    yield Row.at_most(
        f"{name}: worker held after it, longest",
        max(held) * 1e3,
        HELD * 1e3,
        1.0,
        unit="ms",
        note=f"median {statistics.median(held) * 1e3:.2f} ms",
    )


def _slowest(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return max(mine for mine, _ in pairs), max(bare for _, bare in pairs)


def _outcomes(name: str, pairs: list[Any], before: Any, after: Any) -> Row:
    same = sum(mine["outcome"] == bare["outcome"] for mine, bare in pairs)
    grown = [
        [late - early for early, late in zip(*both, strict=True)]
        for both in zip(before, after, strict=True)
    ]
    is_equal = same == len(pairs) and grown[0] == grown[1]
    return Row.at_least(
        f"{name}: same outcome",
        float(len(pairs)),
        float(same if is_equal else 0),
        1.0,
        unit="orders",
        note=f"{pairs[0][0]['outcome']}; orders and lines {grown[0]} with us, {grown[1]} without",
    )


# --- the two shops -------------------------------------------------------------------------------


@contextlib.contextmanager
def _till(kind: str, url: str, variables: dict[str, str]) -> Iterator[Callable[[str], Any]]:
    """A running shop; call it with a command."""
    with tempfile.TemporaryDirectory(prefix="reco-bench-") as home:
        environ = {
            **os.environ,
            **python_path(),
            "TILL": kind,
            "DATABASE_URL": _as_url(url),
            "DEMO_HOME": home,
            "DJANGO_SETTINGS_MODULE": "benchmarks.till.settings",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.till.register"],
            env={**environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        sent, told = process.stdin, process.stdout

        def ask(command: str) -> Any:
            print(command, file=sent, flush=True)
            return json.loads(told.readline())

        try:
            assert json.loads(told.readline()) == "ready"
            yield ask
        finally:
            sent.close()
            process.wait(30)
            told.close()


def _as_url(conninfo: str) -> str:
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(conninfo)
    who = f"{parts.get('user', '')}:{parts.get('password') or ''}"
    where = urlencode({name: parts[name] for name in ("host", "port") if parts.get(name)})
    return f"postgresql://{who}@/{parts['dbname']}?{where}"


# --- the faults ----------------------------------------------------------------------------------


def _no_variables() -> AbstractContextManager[dict[str, str]]:
    return contextlib.nullcontext({})


def _nothing(_url: str) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


@contextlib.contextmanager
def _silent_broker() -> Iterator[dict[str, str]]:
    """A broker that accepts and never answers. That nobody even asked it is part of the outcome."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    heard.append(listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield {"CELERY_BROKER_URL": f"redis://127.0.0.1:{listener.getsockname()[1]}/0"}
        if heard:
            raise RuntimeError(f"A checkout asked the broker {len(heard)} times.")


@contextlib.contextmanager
def _locked(url: str) -> Iterator[None]:
    """Somebody holds all our tables."""
    import psycopg

    with psycopg.connect(url) as connection:
        tables = ", ".join(row[0] for row in connection.execute(TABLES).fetchall())
        connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@contextlib.contextmanager
def _slow(url: str) -> Iterator[None]:
    """Every write of ours takes ten seconds, so that each runs into its time limit."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(10); RETURN NULL; END $$"
        )
        connection.execute(
            "CREATE TRIGGER slow BEFORE INSERT ON reco_interaction EXECUTE FUNCTION slow()"
        )
        yield
        connection.execute("DROP FUNCTION slow() CASCADE")


FAULTS = (
    Fault(name="all well", around=_no_variables, during=_nothing),
    Fault(name="broker silent", around=_silent_broker, during=_nothing),
    Fault(name="our tables locked", around=_no_variables, during=_locked),
    Fault(name="our statements time out", around=_no_variables, during=_slow),
)
