"""Placing an order in the example shop: with us installed, beside the same shop without us.

Processes of the same shape, in turn, on databases of their own on one server. Timed is what the shopper
waits for: the POST that places the order, until its response is complete. How long the worker was held
after that is told apart, and how many Python functions were entered before: a count that no noise moves.
Two processes that run the very same code differ by a few per cent, each time by
others (where their memory came to lie), so that several pairs are started; a second shop without us says
in each note what the same measurement makes of no difference at all.
What a page before it left in the processor's caches is part of an order's time, and the cart's page is where
our rows are: so one case goes past it, and tells how much of the difference is the order's own.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from benchmarks.harness import URL, Bench, Row, create_database, server
from benchmarks.harness import _python_path as python_path

TITLE = "checkout: an order of the example shop with us installed, beside the same shop without us"
MEDIAN, SLOWEST = 1.05, 1.2
SHIFTS = 8
"""Times that the shops are started afresh."""
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
    looks_at_cart: bool = True
    """Does the shopper look at the cart before? Our rows are on that page."""


def run(bench: Bench) -> Iterator[Row]:
    """Five rows for each fault: median, slowest, calls, how long the worker was held, and the outcome."""
    shifts, rounds = (2, 1) if bench.quick else (SHIFTS, 5)
    with server(), _databases() as urls, bench.progress(len(FAULTS), "faults") as bar:
        for fault in FAULTS:
            yield from _measure(fault, urls, shifts, rounds)
            bar.update()


@contextlib.contextmanager
def _databases() -> Iterator[dict[str, str]]:
    """The shop's tables three times, ours in one of them."""
    base, urls = os.environ[URL], {}
    for till in ("with", "without", "again"):
        os.environ[URL] = base
        create_database(f"till_{till}")
        urls[till] = os.environ[URL]
        with _till("with" if till == "with" else "without", urls[till], {"TILL_SET_UP": "1"}):
            pass
    os.environ[URL] = base
    yield urls


def _measure(fault: Fault, urls: dict[str, str], shifts: int, rounds: int) -> Iterator[Row]:
    worked = [_shift(fault, urls, rounds) for _ in range(shifts)]
    yield _median(fault.name, worked)
    yield _slowest(fault.name, worked)
    yield _calls(fault.name, worked)
    yield _held(fault.name, worked)
    yield _outcomes(fault.name, worked)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Orders of one set of processes: each with us, without, and without once more."""

    orders: list[dict[str, Any]]
    grown: dict[str, list[int]]
    """Orders and lines by which each shop's tables have grown."""
    calls: dict[str, int]
    """Python functions entered until the answer to one order was complete."""

    def waited(self, till: str) -> list[float]:
        """Seconds."""
        return [order[till]["waited"] for order in self.orders]

    def slowest(self, till: str) -> float:
        """Seconds; the median over the rounds of each one's slowest."""
        waited = self.waited(till)
        return statistics.median(
            max(waited[at : at + ROUND]) for at in range(0, len(waited), ROUND)
        )


def _shift(fault: Fault, urls: dict[str, str], rounds: int) -> Shift:
    way = {} if fault.looks_at_cart else {"TILL_WAY": "straight"}
    with (
        fault.around() as variables,
        _till("with", urls["with"], {**variables, **way}) as ours,
        _till("without", urls["without"], way) as bare,
        _till("without", urls["again"], way) as again,
        fault.during(urls["with"]),
    ):
        tills = {"with": ours, "without": bare, "again": again}
        before = {name: till("placed") for name, till in tills.items()}
        orders = [_turn(tills, turn) for turn in range(rounds * ROUND)]
        after = {name: till("placed") for name, till in tills.items()}
        calls = {name: till("calls") for name, till in tills.items()}
    grown = {
        name: [late - early for early, late in zip(before[name], after[name], strict=True)]
        for name in tills
    }
    return Shift(orders=orders, grown=grown, calls=calls)


def _turn(tills: dict[str, Callable[[str], Any]], turn: int) -> dict[str, Any]:
    """One order at each till; each comes first as often as the others."""
    names = list(tills)
    first = turn % len(names)
    return {name: tills[name]("checkout") for name in names[first:] + names[:first]}


def _median(name: str, worked: Sequence[Shift]) -> Row:
    return _compared(
        f"{name}: median", worked, lambda shift, till: statistics.median(shift.waited(till)), MEDIAN
    )


def _slowest(name: str, worked: Sequence[Shift]) -> Row:
    worst = " / ".join(
        f"{max(max(shift.waited(till)) for shift in worked) * 1e3:.1f}"
        for till in ("with", "without")
    )
    return _compared(
        f"{name}: slowest of {ROUND}",
        worked,
        Shift.slowest,
        SLOWEST,
        note=f"; slowest of all {worst} ms",
    )


def _compared(
    name: str,
    worked: Sequence[Shift],
    figure: Callable[[Shift, str], float],
    bar: float,
    note: str = "",
) -> Row:
    """The median over the shifts of the ratio within each."""
    mine, bare, again = (
        [figure(shift, till) for shift in worked] for till in ("with", "without", "again")
    )
    ratios = sorted(ours / floor for ours, floor in zip(mine, bare, strict=True))
    same = statistics.median(other / floor for other, floor in zip(again, bare, strict=True))
    return Row.at_most(
        name,
        statistics.median(mine) * 1e3,
        statistics.median(bare) * 1e3,
        bar,
        ratio=statistics.median(ratios),
        unit="ms",
        note=f"shifts {ratios[0]:.2f} to {ratios[-1]:.2f}; without beside without {same:.2f}{note}",
    )


def _calls(name: str, worked: Sequence[Shift]) -> Row:
    mine, bare = (
        statistics.median(shift.calls[till] for shift in worked) for till in ("with", "without")
    )
    return Row.at_most(f"{name}: calls until the answer", mine, bare, MEDIAN, unit="calls")


def _held(name: str, worked: Sequence[Shift]) -> Row:
    held = [order["with"]["held"] for shift in worked for order in shift.orders]
    return Row.at_most(
        f"{name}: worker held after it, longest",
        max(held) * 1e3,
        HELD * 1e3,
        1.0,
        unit="ms",
        note=f"median {statistics.median(held) * 1e3:.2f} ms",
    )


def _outcomes(name: str, worked: Sequence[Shift]) -> Row:
    orders = [order for shift in worked for order in shift.orders]
    same = sum(order["with"]["outcome"] == order["without"]["outcome"] for order in orders)
    is_equal = all(shift.grown["with"] == shift.grown["without"] for shift in worked)
    grown = [sum(column) for column in zip(*(shift.grown["with"] for shift in worked), strict=True)]
    return Row.at_least(
        f"{name}: same outcome",
        float(len(orders)),
        float(same if is_equal else 0),
        1.0,
        unit="orders",
        note=f"{orders[0]['with']['outcome']}; {grown[0]} orders and {grown[1]} lines with us",
    )


# --- the shops -------------------------------------------------------------------------------


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
    Fault(
        name="all well, cart not looked at",
        around=_no_variables,
        during=_nothing,
        looks_at_cart=False,
    ),
    Fault(name="broker silent", around=_silent_broker, during=_nothing),
    Fault(name="our tables locked", around=_no_variables, during=_locked),
    Fault(name="our statements time out", around=_no_variables, during=_slow),
)
