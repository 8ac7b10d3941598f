"""What is around a job: a pooler before the database, a worker that lives for months, a plain loop."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection, connections, transaction
from jobs_shop import history, products

from reco_plugin.exceptions import AlreadyRunning
from reco_plugin.jobs.running.execute import execute, pause
from reco_plugin.jobs.running.lease import Held, lease, take
from reco_plugin.jobs.running.specs import specs
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Item, Job, JobLog, Outcome, Run, RunStatus

TESTS = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs a PostgreSQL server"),
]


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


# --- behind PgBouncer ----------------------------------------------------------------------------


@pytest.fixture
def pooled(transactional_db, monkeypatch) -> Iterator[None]:
    """Every connection of this process goes through PgBouncer, which gives each transaction one of two."""
    if shutil.which("pgbouncer") is None:
        pytest.skip("pgbouncer is not installed")
    server = connection.get_connection_params()
    folder = Path(tempfile.mkdtemp(prefix="reco-pool-"))
    folder.chmod(0o777)
    with _pgbouncer(folder, server["host"], server.get("port") or 5432, server.get("user", "")):
        given = connections["default"].settings_dict
        connections.close_all()
        monkeypatch.setitem(given, "HOST", str(folder))
        monkeypatch.setitem(given, "PORT", "6543")
        monkeypatch.setitem(given, "DISABLE_SERVER_SIDE_CURSORS", True)
        yield
        connections.close_all()
        monkeypatch.undo()
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _pgbouncer(folder: Path, host: str, port: int, user: str) -> Iterator[None]:
    file = folder / "pgbouncer.ini"
    file.write_text(
        f"""
        [databases]
        * = host={host} port={port} user={user or "postgres"}
        [pgbouncer]
        listen_port = 6543
        unix_socket_dir = {folder}
        auth_type = any
        pool_mode = transaction
        default_pool_size = 2
        """.replace("\n        ", "\n")
    )
    file.chmod(0o644)
    command = ["pgbouncer", "--quiet", *_as_somebody(host), str(file)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_for((folder / ".s.PGSQL.6543").exists), "PgBouncer did not start"
        yield
    finally:
        running.terminate()
        running.wait(10)


def _as_somebody(host: str) -> list[str]:
    """PgBouncer refuses to be root; the owner of the server's socket may use it."""
    if os.getuid() != 0:
        return []
    return ["--user", Path(host).owner() if host.startswith("/") else "nobody"]


def test_r10_a_lease_behind_a_transaction_pooler(pooled, settings):
    """One of many takes it, its beats arrive, and nothing of it stays behind in a server's session."""
    settings.RECO_HEARTBEAT_SECONDS = 0.6
    inside, refused, done = [], [], threading.Event()

    def attempt() -> None:
        try:
            with lease(1, "train"):
                inside.append(1)
                done.wait(5)
        except AlreadyRunning:
            refused.append(1)
            if len(refused) == 7:
                done.set()
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(inside), len(refused)) == (1, 7)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone()[0] == 0


def test_r10_a_dead_holder_behind_a_transaction_pooler_is_taken_over(pooled, settings):
    settings.RECO_HEARTBEAT_SECONDS = 0.6
    dead = take(1, "train")
    assert dead is not None
    first = Job.objects.get().beat_at
    with transaction.atomic():
        dead.fence()
    assert wait_for(lambda: Job.objects.get().beat_at > first)
    dead.still()
    began = time.monotonic()
    while (alive := attempt_to_take()) is None:
        time.sleep(0.05)
    assert time.monotonic() - began < 2 * 0.6
    alive.let_go()


def attempt_to_take() -> Held | None:
    try:
        return take(1, "train")
    except AlreadyRunning:
        return None


# --- for months ----------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_r28_the_memory_of_a_worker_does_not_grow_with_its_trainings(settings, tmp_path):
    """Six here; what learns is a process of its own each time."""
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER = "reco_plugin.testing.quick.QuickTrainer"
    settings.RECO_TRAIN_THREADS = 1
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_STORE = "numpy"
    history(products(20), shoppers=200, events=20)
    sync_items()
    train(2)
    before = resident()
    train(6)
    assert resident() - before < 10
    assert Run.objects.exclude(status__in=[RunStatus.PUBLISHED, RunStatus.PRUNED]).count() == 0


def train(times: int) -> None:
    for _ in range(times):
        assert execute("train", options={"evaluate": False}).outcome == Outcome.DONE
        assert execute("popular").outcome == Outcome.DONE


def resident() -> float:
    """MiB of this process."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


# --- loops, where there is neither cron nor Celery -----------------------------------------------


@contextlib.contextmanager
def loop(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`reco_tick --loop` on the database of this test, with heartbeats of two seconds."""
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "DJANGO_SETTINGS_MODULE": "workershop.settings",
        "WORKERSHOP_DB": str(connection.settings_dict["NAME"]),
        "WORKERSHOP_BROKER": "memory://",
        "WORKERSHOP_FOLDER": str(folder),
        "WORKERSHOP_SLOW": "0.02",
    }
    command = [sys.executable, "-m", "django", "reco_tick", "--loop"]
    running = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def test_r07_a_loop_that_is_killed_is_taken_over_within_two_heartbeats(tmp_path):
    made = products(20)
    for name in set(specs()) - {"sync_items"}:  # a loop that is busy with another job does not poll
        pause(name)
    with loop(tmp_path) as first, loop(tmp_path) as second:
        assert wait_for(
            lambda: Job.objects.filter(name="sync_items", stage="catalogue").exists(), 60
        )
        job = Job.objects.get(name="sync_items")
        pid = int(job.holder.rpartition(":")[2])
        dead, alive = (first, second) if pid == first.pid else (second, first)
        dead.kill()
        assert wait_for(lambda: Job.objects.get(pk=job.pk).attempt == 2, 30)
        silent = JobLog.objects.get(name="sync_items", outcome=Outcome.TAKEN_OVER)
        started_at = Job.objects.get(pk=job.pk).started_at
        assert started_at is not None
        last_beat = silent.finished_at
        assert (started_at - last_beat).total_seconds() < 2 * 2.0 + 0.5
        assert wait_for(lambda: Job.objects.get(pk=job.pk).succeeded_at is not None, 60)
        alive.send_signal(signal.SIGTERM)
        assert alive.wait(30) == 0
    assert Item.objects.count() == len(made)
    assert JobLog.objects.filter(name="sync_items").count() == 2
