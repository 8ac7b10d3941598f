"""Jobs killed at every stage and at any other moment, taken over, and the books checked each time."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import logging
import os
import random
import signal
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.harness import Bench, Row, database

TITLE = "crash: SIGKILL at every stage of every job, then takeover by whoever polls"
KILLS = 200
HEARTBEAT = 0.8
"""Seconds; everything waits in units of it."""
POLL = HEARTBEAT / 3
WITHIN = 2
"""Heartbeats from the kill to the takeover."""
GIVE_UP = 120.0
"""Seconds after which a job counts as never completed."""
PRODUCTS, SHELVES, SHOPPERS, EACH = 120, 6, 120, 14
OLD_DAYS = 400
LONG = dt.timedelta(days=8)
LIGHTFM_EVERY = 12
"""Every so many kills the training is LightFM's."""


def run(bench: Bench) -> list[Row]:
    """Six rows over all kills: what was left of each, what the takeover made of it."""
    logging.getLogger("reco_plugin").setLevel(logging.CRITICAL)  # of 200 takeovers
    with tempfile.TemporaryDirectory(prefix="reco-crash-") as folder, database():
        from django.test import override_settings

        with override_settings(**_settings(folder)):
            found = _crash(bench, Path(folder))
    return found.rows()


def _settings(folder: str) -> dict[str, Any]:
    return {
        "RECO_HEARTBEAT_SECONDS": HEARTBEAT,
        "RECO_ARTEFACT_DIR": folder,
        "RECO_TRAINER": "reco_plugin.testing.quick.QuickTrainer",
        "RECO_TRAIN_THREADS": 1,
        "RECO_ENCODER": "",  # this shop has no pictures
        "RECO_MIN_INTERACTIONS": 100,
        "RECO_MIN_SHOPPERS": 5,
        "RECO_KEEP_RUNS": 2,
        "RECO_SHARD_ITEMS": 50,
        "RECO_RETENTION_DAYS": OLD_DAYS - 5,
    }


@dataclass(kw_only=True)
class Found:
    """What all kills came to."""

    kills: Counter[str] = field(default_factory=Counter)
    half: list[str] = field(default_factory=list)
    """Half-published runs, in words."""
    events: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    """Training processes that outlived their parent."""
    waits: list[float] = field(default_factory=list)
    """Seconds from kill to takeover."""
    reads: dict[str, int] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        note = f"{sum(self.kills.values())} kills: " + ", ".join(
            f"{n} {job}" for job, n in self.kills.items()
        )
        failed = self.reads.get("failed", 0)
        return [
            _none("half-published runs", self.half, note),
            _none("events lost or doubled", self.events),
            _none("jobs not completed", self.unfinished),
            _none("trainings that outlived their job", self.strays),
            Row.at_most(
                "a reader in a loop: failures",
                failed,
                1,
                0,
                unit="reads",
                note=f"of {self.reads.get('read', 0)}",
            ),
            Row.at_most(
                "kill to takeover",
                max(self.waits, default=0.0),
                HEARTBEAT,
                WITHIN,
                note=f"a heartbeat is {HEARTBEAT} s, polled every {POLL:.2f} s",
            ),
        ]


def _none(name: str, found: list[str], note: str = "") -> Row:
    words = "; ".join(sorted(set(found))[:4])
    return Row.at_most(name, len(found), 1, 0, unit="times", note=words or note)


# --- the story -----------------------------------------------------------------------------------


def _crash(bench: Bench, folder: Path) -> Found:
    from reco_plugin.jobs.running.execute import execute
    from reco_plugin.testing.killing import points_of, statements_of

    shop, found, dice = Shop(), Found(), random.Random(1)
    points = {}
    lengths = {}
    for name in _jobs():
        shop.stir(name)
        points[name] = points_of(lambda name=name: execute(name))
        _demand_success(name)
        shop.stir(name)
        lengths[name] = statements_of(lambda name=name: execute(name))
    kills = 40 if bench.quick else KILLS
    with _reader(folder, found), bench.progress(kills, "kills") as bar:
        for number, (name, point) in enumerate(_plan(points, lengths, dice)):
            with _trainer(number):
                shop.stir(name, is_late=_is_stage(point) or dice.random() < 0.5)
                if _kill(name, point, dice):
                    _look_after(name, _where(point), shop, found)
                    found.strays += _strays(folder)
                    bar.update()
            if sum(found.kills.values()) == kills:
                break
    return found


def _look_after(name: str, where: str, shop: Shop, found: Found) -> None:
    found.kills[name] += 1
    shop.check(found, f"{name} {where}")
    _take_over(name, where, found)
    shop.check(found, f"after {name} {where}", is_over=True)


def _jobs() -> list[str]:
    from reco_plugin.jobs.running.schedule import specs

    return [name for name, spec in specs().items() if spec.wanted()]


def _demand_success(name: str) -> None:
    from reco_plugin.models import JobLog

    log = JobLog.objects.filter(name=name).latest("pk")
    if log.outcome != "done":
        raise RuntimeError(f"{name} does not even work undisturbed: {log.error}")


def _plan(
    points: dict[str, list[Any]], lengths: dict[str, int], dice: random.Random
) -> Iterator[tuple[str, Any]]:
    """Without end: every stage's ends once, between them, and then only, moments at random: before a
    statement (its number), or after a while (None). Jobs of more stages more often."""
    plan = [(name, point) for name, passed in points.items() for point in passed]
    dice.shuffle(plan)
    names = [name for name, _ in plan]
    for turn in itertools.count():
        if turn < len(plan):
            yield plan[turn]
        name = dice.choice(names)
        yield name, dice.randint(1, lengths[name])
        if turn % 3 == 0:
            yield dice.choice(names), None


def _is_stage(point: Any) -> bool:
    return point is not None and not isinstance(point, int)


def _where(point: Any) -> str:
    if point is None:
        return "somewhere"
    return f"before statement {point}" if isinstance(point, int) else str(point)


@contextlib.contextmanager
def _trainer(number: int) -> Iterator[None]:
    from django.test import override_settings

    if number % LIGHTFM_EVERY or find_spec("lightfm") is None:
        yield
        return
    config = {"dimensions": 8, "epochs": 4}
    with override_settings(RECO_TRAINER="lightfm", RECO_TRAINER_CONFIG=config):
        yield


def _kill(name: str, point: Any, dice: random.Random) -> bool:
    from reco_plugin.jobs.running.execute import execute
    from reco_plugin.models import JobLog
    from reco_plugin.testing.killing import killed_after, killed_at, killed_before

    def work() -> object:
        return execute(name)

    if isinstance(point, int):
        return killed_before(point, work) and _is_held(name)
    if _is_stage(point):
        return killed_at(point, work)
    last = JobLog.objects.filter(name=name, outcome="done").latest("pk")
    usual = (last.finished_at - last.started_at).total_seconds()
    killed_after(dice.uniform(0.05, usual + 0.05), work)
    return _is_held(name)


def _is_held(name: str) -> bool:
    """Otherwise it was killed before it took the job, or after it let go."""
    from reco_plugin.models import Job

    return Job.objects.filter(name=name).exclude(token=None).exists()


def _take_over(name: str, where: str, found: Found) -> None:
    from reco_plugin.jobs.running.execute import execute
    from reco_plugin.models import Job, Outcome

    began = time.monotonic()
    while time.monotonic() - began < GIVE_UP:
        before = time.monotonic()
        execution = execute(name, only_if_due=True)
        if execution.outcome is not None:
            found.waits.append(before - began)
            break
        time.sleep(POLL)
    row = Job.objects.get(name=name)
    if execution.outcome != Outcome.DONE or row.token is not None or row.checkpoint:
        found.unfinished.append(f"{name} killed {where}: {execution.error or execution.skipped}")


def _strays(folder: Path) -> list[str]:
    """Training processes of ours that still run a while after the one that started them was killed."""
    end = time.monotonic() + 5
    while (alive := list(_trainings(folder))) and time.monotonic() < end:
        time.sleep(0.1)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    return [f"process {pid}" for pid in alive]


def _trainings(folder: Path) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes()
            if b"reco_plugin.children" in command and str(folder).encode() in command:
                yield int(path.parent.name)


# --- the shop and its books ----------------------------------------------------------------------


class Shop:
    """Grows a little before each kill, and knows what must be in our tables."""

    def __init__(self) -> None:
        from benchmarks.shop import generate
        from benchmarks.shop.models import Product

        generate.fill_shop(PRODUCTS)
        self.products = list(Product.objects.order_by("pk"))
        self.views: Counter[dt.date] = Counter()
        self.lines = 0
        self.turn = 0
        self._history()

    def _history(self) -> None:
        """Shoppers with a favourite shelf each: something to learn."""
        dice, today = random.Random(7), dt.datetime.now(dt.UTC)
        for person in range(SHOPPERS):
            own = [row for row in range(PRODUCTS) if row % SHELVES == person % SHELVES]
            for _ in range(EACH):
                row = dice.choice(own) if dice.random() < 0.9 else dice.randrange(PRODUCTS)
                self._view(person, row, today - dt.timedelta(days=1 + dice.random() * 38))

    def _view(self, person: int, row: int, at: dt.datetime) -> None:
        from reco_plugin.models import Interaction
        from reco_plugin.types import EventKind, EventSource

        self.views[at.date()] += 1
        Interaction.objects.create(
            event_id=uuid.uuid4(),
            kind=EventKind.VIEW_ITEM,
            shopper=uuid.UUID(int=person + 1),
            product_id=self.products[row].pk,
            source=EventSource.TRACK,
            occurred_at=at,
        )

    def stir(self, name: str, *, is_late: bool = True) -> None:
        """Something for the job to do: orders, events of now and of long ago, a changed product. `is_late`: its
        last run was made so long ago that nothing of it counts any more."""
        from django.db.models import F

        from benchmarks.shop.models import Order, OrderLine, Product
        from reco_plugin.jobs.running.execute import execute
        from reco_plugin.jobs.running.specs import specs
        from reco_plugin.models import Run

        if is_late:
            Run.objects.update(created_at=F("created_at") - LONG)
        if "train" in specs()[name].needs:
            execute("train")
        self.turn += 1
        dice, now = random.Random(self.turn), dt.datetime.now(dt.UTC)
        if name == "arrivals":
            shelf, key = self.products[0].category_id, PRODUCTS + self.turn  # above those filled in
            Product.objects.create(pk=key, title=f"New {self.turn}", price=5, category_id=shelf)
        order = Order.objects.create()
        for row in dice.sample(range(PRODUCTS), 3):
            OrderLine.objects.create(order=order, product=self.products[row], unit_price=5)
        self.lines += 3
        for _ in range(12):
            self._view(dice.randrange(SHOPPERS), dice.randrange(PRODUCTS), now)
            long_ago = now - dt.timedelta(days=OLD_DAYS + self.turn)
            self._view(dice.randrange(SHOPPERS), dice.randrange(PRODUCTS), long_ago)
        changed = self.products[self.turn % PRODUCTS]
        Product.objects.filter(pk=changed.pk).update(title=f"Changed {self.turn}")

    def check(self, found: Found, where: str, *, is_over: bool = False) -> None:
        """The books, at any moment; `is_over`: no job is under way."""
        from reco_plugin.testing.wholeness import half_published, left_undone

        seen = [*half_published(), *(left_undone() if is_over else ())]
        found.half += [f"{words} ({where})" for words in seen]
        found.events += [f"{words} ({where})" for words in self._events()]

    def _events(self) -> Iterator[str]:
        """Every view is either still there or counted in its day's total; no order line is there twice."""
        from django.db.models import Count
        from django.db.models.functions import TruncDate

        from reco_plugin.models import DailyTotal, Interaction
        from reco_plugin.types import EventKind

        views = Interaction.objects.filter(kind=EventKind.VIEW_ITEM).order_by()
        by_day = views.annotate(day=TruncDate("occurred_at", tzinfo=dt.UTC)).values_list("day")
        rows = dict(by_day.annotate(n=Count("pk")))
        totals = dict(
            DailyTotal.objects.filter(name=EventKind.VIEW_ITEM.ga4).values_list("day", "count")
        )
        for day, wanted in self.views.items():
            if rows.get(day, 0) != wanted and totals.get(day) != wanted:
                yield f"{rows.get(day, 0)} rows, {totals.get(day)} counted of {wanted} views of {day}"
        bought = Interaction.objects.filter(kind=EventKind.PURCHASE)
        lines = bought.values("order", "product_id").distinct().count()
        if bought.count() != lines or lines > self.lines:
            yield f"{bought.count()} purchases of {lines} lines, {self.lines} were made"


# --- the reader ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _reader(folder: Path, found: Found) -> Iterator[None]:
    """Another process reads the live run all the while."""
    from django.db import connections

    stop, told = folder / "stop", folder / "reads.json"
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            told.write_text(json.dumps(_read(stop.exists)))
        os._exit(0)
    try:
        yield
    finally:
        stop.touch()
        os.waitpid(pid, 0)
        found.reads = json.loads(told.read_text()) if told.exists() else {"failed": 1}


def _read(is_over: Callable[[], bool]) -> dict[str, int]:
    import numpy as np

    from reco_plugin import backends
    from reco_plugin.jobs.publish import active_run, handle

    told = {"read": 0, "failed": 0}
    while not is_over():
        run = active_run(1, "personal")
        told["read"] += 1
        try:
            assert run is not None
            query = np.ones(run.store_state["dimension"], np.float32)
            nearest = backends.store(run.store).nearest(handle(run), query, 20)
            told["failed"] += len(nearest) != 20
        except Exception:  # noqa: BLE001 - counted, whatever it is
            told["failed"] += 1
        time.sleep(0.02)
    return told
