"""A broker, workers and beats, each a process of its own, on the database of the running test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection

from reco_plugin.models import Job

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Redis:
    """`redis-server` on a port and in a folder of its own; what it holds is gone when it stops."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "no", "--dir", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("redis-server does not answer")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class RabbitMQ:
    """A node of its own, with ports and a folder of its own. Runs as whoever runs the tests, which the
    command on the path would not."""

    SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self.folder = folder
        self.log = folder / "rabbitmq.txt"
        self.environ = {
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"reco{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        }
        self.start()

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(self.SERVER)],
                env=self.environ,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if "Server startup complete" in self.log.read_text(errors="replace"):
                return
            time.sleep(0.2)
        raise RuntimeError(self.log.read_text(errors="replace"))

    def stop(self) -> None:
        kill(self.process)
        for _ in range(50):  # its name server goes when it has noticed that the node is gone
            ended = subprocess.run(
                ["epmd", "-kill"], env=self.environ, capture_output=True, check=False
            )
            if b"Killed" in ended.stdout:
                return
            time.sleep(0.1)


class Fleet:
    """Processes that a test starts; all of them are killed at its end."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder = folder
        self.environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "DJANGO_SETTINGS_MODULE": "workershop.settings",
            "WORKERSHOP_DB": str(connection.settings_dict["NAME"]),
            "WORKERSHOP_BROKER": broker,
            "WORKERSHOP_FOLDER": str(folder / "artefacts"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self.running: list[subprocess.Popen[bytes]] = []
        self.supervised: list[tuple[subprocess.Popen[bytes], Callable[[], object]]] = []

    def worker(self, name: str, *options: str, **environ: str) -> subprocess.Popen[bytes]:
        """One that takes a job at a time, unless `options` say otherwise."""
        arguments = ["worker", "-n", f"{name}@%h", "-c", "1", "-l", "INFO"]
        arguments += ["--without-gossip", "--without-mingle", *options]
        return self._start(name, arguments, environ)

    def supervise(self, name: str, *options: str, **environ: str) -> None:
        """A worker that is started again when it ends, as systemd would: Celery itself may, when its
        broker goes away at a bad moment (kombu fails to put back what it had fetched)."""

        def again() -> None:
            self.supervise(name, *options, **environ)

        self.supervised.append((self.worker(name, *options, **environ), again))

    def beat(self, name: str = "beat") -> subprocess.Popen[bytes]:
        schedule = str(self.folder / f"{name}-schedule")
        return self._start(name, ["beat", "-s", schedule, "--pidfile", "", "-l", "INFO"], {})

    def _start(
        self, name: str, arguments: list[str], environ: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "workershop", *arguments],
                cwd=self.folder,
                env={**self.environ, **environ},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def said(self, name: str) -> str:
        return self.log(name).read_text(errors="replace")

    def wait(self, true: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Look until `true()`; the logs are in the error when it never is."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if true():
                return
            self._restart()
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds:g} s for {what}\n{_standing()}\n{self._logs()}")

    def _restart(self) -> None:
        ended = [one for one in self.supervised if one[0].poll() is not None]
        self.supervised = [one for one in self.supervised if one not in ended]
        for _, again in ended:
            again()

    def _logs(self) -> str:
        """The ends of all logs, without the ticks."""
        found = []
        for path in sorted(self.folder.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()
            told = [line for line in lines if "reco.tick" not in line]
            found.append("\n".join([f"--- {path.name}", *told[-40:]]))
        return "\n".join(found)

    def stop(self) -> None:
        for process in self.running:
            kill(process)


def _standing() -> str:
    rows = Job.objects.order_by("pk").values_list("name", "stage", "failures", "error")
    return "\n".join(str(row) for row in rows)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a worker and all its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def fleet(folder: Path, broker: str) -> Iterator[Fleet]:
    made = Fleet(folder, broker)
    try:
        yield made
    finally:
        made.stop()
