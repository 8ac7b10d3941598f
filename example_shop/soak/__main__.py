"""`python -m example_shop.soak`: the demo shop under load and random kills; do the books balance?"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import io
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from example_shop.soak.fleet import Fleet, python, running
from example_shop.soak.shoppers import Diary, crowd

if TYPE_CHECKING:
    from example_shop.soak.books import Entry

HOST = "127.0.0.1"
SETTLE_SECONDS = 480
"""Longest wait, after the last kill, for every job to have succeeded once more: what a killed broker had
been told is told again after five minutes."""
Kill = Callable[[Fleet, random.Random], None]


def main(argv: Sequence[str] | None = None) -> int:
    """0 when the books balance, 1 when they do not, 2 when it could not be tried."""
    options = _parser().parse_args(argv)
    for needed in ("redis-server",):
        if shutil.which(needed) is None:
            sys.stderr.write(f"{needed} is needed: install your system's package of that name.\n")
            return 2
    with tempfile.TemporaryDirectory(prefix="reco-soak-") as folder:
        return _soak(options, Path(folder))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m example_shop.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of load and kills (10)")
    parser.add_argument("--every", type=float, default=12.0, help="seconds between kills (12)")
    parser.add_argument("--people", type=int, default=4, help="shoppers at once (4)")
    parser.add_argument("--scale", choices=("small", "normal"), default="small")
    parser.add_argument("--seed", type=int, default=1, help="of the kills and the shoppers (1)")
    parser.add_argument("--logs", type=Path, help="folder to copy the processes' logs to")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


def _soak(options: argparse.Namespace, folder: Path) -> int:
    os.environ["DEMO_HOME"] = str(folder / "shop")
    _prepare(options.scale)
    broker, port = _free_port(), _free_port()
    environ = {
        "DJANGO_SETTINGS_MODULE": "example_shop.soak.settings",
        "DATABASE_URL": _database_url(),
        "CELERY_BROKER_URL": f"redis://{HOST}:{broker}/0",
    }
    os.environ.update(environ)
    import django

    django.setup()
    from django.utils import timezone

    diary, began = Diary(), timezone.now()
    logs = folder / "logs"
    logs.mkdir()
    with running(logs, environ) as fleet:
        _start(fleet, broker, port)
        killed = _load(fleet, f"http://{HOST}:{port}", diary, options)
        settled = _settle()
    entries, recorded = _books(diary, began, killed["web"])
    if options.logs:
        shutil.copytree(logs, options.logs, dirs_exist_ok=True)
    told = _told(fleet, diary, killed, settled) | {"recorded": recorded}
    _tell(told, entries, as_json=options.json)
    return 0 if settled >= 0 and all(entry.balances for entry in entries) else 1


def _prepare(scale: str) -> None:
    """The shop as the demo leaves it: loaded, trained, published."""
    from example_shop.demo.__main__ import main as demo

    with contextlib.redirect_stdout(io.StringIO()):
        failed = demo(["--scale", scale, "--no-serve", "--json"])
    if failed:
        raise SystemExit("The demo shop could not be made.")


def _database_url() -> str:
    from example_shop.demo.places import embedded_database

    return embedded_database()


def _start(fleet: Fleet, broker: int, port: int) -> None:
    fleet.start(
        "redis",
        [
            "redis-server",
            "--port",
            str(broker),
            "--bind",
            HOST,
            "--save",
            "",
            "--dir",
            str(fleet.folder),
        ],
    )
    celery = python("-m", "celery", "-A", "example_shop.project.celery")
    for number in (1, 2):
        fleet.start(
            f"worker{number}",
            [*celery, "worker", "--pool=prefork", "--concurrency=1", "-n", f"w{number}@soak"],
        )
    schedule = str(fleet.folder / "beat")
    fleet.start("beat", [*celery, "beat", "--schedule", schedule])
    fleet.start(
        "web",
        python(
            "-m", "gunicorn", "--bind", f"{HOST}:{port}", "--workers=2", "--threads=2",
            "--timeout=60", "example_shop.project.wsgi",
        ),
    )  # fmt: skip
    _wait_for(port)


def _load(fleet: Fleet, url: str, diary: Diary, options: argparse.Namespace) -> Counter[str]:
    over = threading.Event()
    people = crowd(url, options.people, diary, over, options.seed)
    killed = _havoc(fleet, options)
    over.set()
    for person in people:
        person.join(60)
    return killed


def _havoc(fleet: Fleet, options: argparse.Namespace) -> Counter[str]:
    """Kill something every now and then, until the time is over."""
    chance, killed = random.Random(options.seed), Counter[str]()
    end = time.monotonic() + options.minutes * 60
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, chance.uniform(0.5, 1.5) * options.every))
        victim = chance.choice(("worker1", "worker2", "worker1", "worker2", "beat", "redis", "web"))
        if victim == "web":
            fleet.kill_a_child("web", chance.choice)
        else:
            fleet.kill(victim)
        killed[victim] += 1
    return killed


def _settle() -> float:
    """Seconds until every job has succeeded after the last kill; -1 when they do not."""
    from django.utils import timezone

    from reco_plugin.models import Job

    began, since = time.monotonic(), timezone.now()
    while (waited := time.monotonic() - began) < SETTLE_SECONDS:
        late = Job.objects.exclude(succeeded_at__gt=since, token=None).filter(is_paused=False)
        if not late.exists():
            return waited
        time.sleep(1)
    return -1.0


def _books(diary: Diary, began: dt.datetime, web_kills: int) -> tuple[list[Entry], dict[str, int]]:
    from example_shop.soak.books import audit, recorded

    return list(audit(diary, began, web_kills=web_kills)), recorded(began)


def _told(fleet: Fleet, diary: Diary, killed: Counter[str], settled: float) -> dict[str, object]:
    return {
        "answers": dict(diary.statuses),
        "pages": diary.pages,
        "pages_with_recommendations": diary.tiles,
        "views": diary.views,
        "clicks": diary.clicks,
        "orders": len(diary.orders),
        "killed": dict(killed),
        "starts": {member.name: member.starts for member in fleet.members.values()},
        "settled_seconds": round(settled, 1),
        "refused": diary.errors[:10],
    }


def _tell(told: dict[str, object], entries: Sequence[Entry], *, as_json: bool) -> None:
    if as_json:
        books = {entry.what: [entry.found, entry.bar] for entry in entries}
        sys.stdout.write(json.dumps({**told, "books": books}) + "\n")
        return
    for name, value in told.items():
        sys.stdout.write(f"{name.replace('_', ' ')}: {value}\n")
    for entry in entries:
        mark = "✓" if entry.balances else "✗"
        sys.stdout.write(f"  {mark} {entry.what}: {entry.found} ({entry.bar})\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit("The web server did not start.")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
