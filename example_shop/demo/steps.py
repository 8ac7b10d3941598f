"""The steps of the demo, each safe to break off and run again. Read them from top to bottom."""

from __future__ import annotations

import datetime as dt
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils import timezone

from example_shop.demo import generated, gift_shop, habits, history, shelves, shoppers
from example_shop.demo.errors import DemoError
from example_shop.demo.goods import Assortment, reduce_some
from example_shop.demo.models import LoadStep
from example_shop.demo.report import Report
from example_shop.demo.sources import FASHION, ORDER_LOG, Source
from example_shop.shop.models import Product
from reco_plugin.models import Run, RunStatus

DAYS = 180
SEED = 7
LOADED, IMPORTED, SEEN = "history", "orders", "pictures"
LOOKING = (
    ("Read the catalogue and its pictures", ("sync_items", "behaviour", "pictures")),
    ("Teach an encoder what they show (fine_tune)", ("fine_tune",)),
    ("Look at every picture (encode)", ("encode",)),
)
"""What the jobs do, in their order."""
COUNTED = (
    "products", "variants", "shoppers", "guests", "events", "orders", "order_lines", "refunded",
)  # fmt: skip


def reset() -> None:
    """Empty the embedded database, and forget pictures and artefacts."""
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    for folder in (settings.MEDIA_ROOT, settings.RECO_ARTEFACT_DIR):
        shutil.rmtree(folder, ignore_errors=True)


def migrate(report: Report) -> None:
    """Tables, and the vector extension where we may create it."""
    with report.step("Tables"):
        try:
            with connection.cursor() as cursor:
                cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except OperationalError as error:
            raise DemoError(f"The database does not answer: {error}") from error
        except DatabaseError as error:  # a role may lack the right; vectors then lie in tables
            report.say(
                f"  No pgvector here ({str(error).splitlines()[0]}): the numpy store is used."
            )
        call_command("migrate", verbosity=0, interactive=False)


def load(source: Source, report: Report) -> dict[str, Any]:
    """Catalogue, pictures and history, all or nothing; returns what the pages say about it."""
    step = LoadStep.objects.filter(name=LOADED).first()
    if step is None:
        step = _load(source, report)
    elif step.details["source"] != source.name:
        raise DemoError(
            f"This database holds the data set {step.details['source']!r}, not {source.name!r}. "
            "Use another database, or --reset to start over."
        )
    report.note(source=source.name, counts=step.details["counts"], data=step.details["report"])
    report.say("  " + _counted(step.details["counts"]))
    return dict(step.details["page"])


def import_orders(report: Report) -> None:
    """The shop's past orders, by the plugin's own job."""
    if LoadStep.objects.filter(name=IMPORTED).exists():
        return
    with report.step("Import past orders (reco_backfill)"):
        call_command("reco_backfill", no_progress=report.quiet, stdout=io.StringIO())
        LoadStep.objects.update_or_create(name=IMPORTED)


def look(report: Report) -> None:
    """Teach an encoder what the pictures show, and look at all of them; once, where that is installed."""
    if LoadStep.objects.filter(name=SEEN).exists():
        report.note(sight="done before")
        return
    if missing := _blindness():
        report.say(f"  No products by their looks: {missing}")
        report.note(sight=missing)
        return
    for title, jobs in LOOKING:
        with report.step(title):
            for name in jobs:
                call_command("reco_jobs", "start", name, "--here", stdout=io.StringIO())
    encoder = Run.objects.filter(kind="encoder").order_by("-pk").first()
    told = _judged(encoder)
    report.say(f"  {told}")
    report.note(sight=told)
    LoadStep.objects.update_or_create(name=SEEN)


def _blindness() -> str:
    """Why pictures cannot be looked at here, in plain words; '' when they can."""
    from reco_plugin import conf
    from reco_plugin.encoders import registry

    return registry.kind(conf.settings.ENCODER).why_not()


def _judged(encoder: Run | None) -> str:
    """What became of the encoder, in one line."""
    if encoder is None:
        return "There were too few pictures to teach an encoder with."
    if encoder.status == RunStatus.FAILED:
        return f"The encoder failed: {encoder.error}"
    words = [gate["words"] for gate in encoder.gates if gate.get("passed") is not None]
    return f"Encoder {encoder.pk} is {encoder.status}. {' '.join(words)}"


def train(report: Report) -> None:
    """Learn and publish by the plugin's own command, once; what came of it is told every time."""
    finished = Run.objects.filter(
        kind="personal", status__in=[RunStatus.PUBLISHED, RunStatus.REJECTED]
    )
    if not finished.exists():
        with report.step("Sync, train, judge, publish (reco_train)"):
            _train(report)
        with report.step("Rank what trends, converts and is reduced"):
            call_command("reco_jobs", "start", "lists", "--here", stdout=io.StringIO())
        if LoadStep.objects.filter(name=SEEN).exists():
            with report.step("Draw the map, suggest facts that are missing"):
                for name in ("score", "catalogue_map", "suggest"):
                    call_command("reco_jobs", "start", name, "--here", stdout=io.StringIO())
    report.note(runs=[_facts(run) for run in Run.objects.order_by("pk")])
    latest = Run.objects.filter(kind="personal").order_by("-pk").first()
    if latest is None:
        raise DemoError("Nothing was trained.")
    if latest.status == RunStatus.FAILED:
        raise DemoError(f"The training failed: {latest.error}")
    _tell(latest, report)


def _load(source: Source, report: Report) -> LoadStep:
    rng = np.random.default_rng(SEED)
    now = timezone.now().replace(microsecond=0)
    log = None
    with report.step("Catalogue"):
        if source.kind == ORDER_LOG:
            assortment, log = gift_shop.load(_path(source))
        else:
            assortment = _assortment(source, report)
    with report.step("Pictures"):
        shelves.draw_pictures(assortment.products, report)
    with report.step("Products, shoppers, orders and views"), transaction.atomic():
        products = shelves.stack(assortment, now)
        logins = [{"username": p.username, "taste": p.taste} for p in assortment.personas]
        if log is not None:
            counts, logins = gift_shop.populate(log, assortment.products, products, now, report)
        else:
            past = _simulate(source, assortment, products, now, report)
            counts = history.populate(past, assortment.personas, rng, report)
        _create_admin()
        counts = {"products": len(products), "variants": _variants(), **counts}
        return _mark(source, assortment, counts, logins)


def _path(source: Source) -> Path:
    assert source.path is not None
    return source.path


def _assortment(source: Source, report: Report) -> Assortment:
    if source.kind == FASHION:
        from example_shop.demo import fashion

        found = fashion.load(_path(source), source.size.products, report)
    else:
        found = generated.assortment(source.size.products, SEED)
    return reduce_some(found, np.random.default_rng(SEED))


def _simulate(
    source: Source,
    assortment: Assortment,
    products: list[Product],
    now: dt.datetime,
    report: Report,
) -> history.Past:
    plans = assortment.products
    rng = np.random.default_rng(SEED)
    likes = shoppers.tastes(source.size.shoppers, plans, assortment.personas, rng)
    traits = shoppers.traits_of(plans)
    trace = shoppers.simulate(
        likes, traits, DAYS, rng, lambda rows: report.bar(rows, "Simulating shoppers")
    )
    trace = habits.follow(trace, plans, traits, np.random.default_rng(SEED))
    return history.Past(products=products, likes=likes, trace=trace, now=now)


def _create_admin() -> None:
    User.objects.create_superuser("admin", "admin@example.com", history.PASSWORD)


def _variants() -> int:
    return Product.objects.exclude(parent=None).count()


def _mark(
    source: Source, assortment: Assortment, counts: dict[str, int], logins: list[dict[str, str]]
) -> LoadStep:
    page = {
        "logins": logins,
        "password": history.PASSWORD,
        "notice": assortment.notice,
        "price_note": assortment.price_note,
    }
    details = {"source": source.name, "counts": counts, "report": assortment.report, "page": page}
    return LoadStep.objects.create(name=LOADED, details=details)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(
        f"{counts[name]:,} {name.replace('_', ' ')}" for name in COUNTED if name in counts
    )


def _train(report: Report) -> None:
    """The command's exit code says what became of it; so does the run, which we read."""
    said = io.StringIO()
    try:
        call_command("reco_train", json=True, no_progress=report.quiet, stdout=said, stderr=said)
    except SystemExit as ended:
        if ended.code not in {0, 1, 3}:
            raise DemoError(said.getvalue().strip()) from ended


def _facts(run: Run) -> dict[str, Any]:
    names = ("kind", "status", "trainer", "metrics", "gates", "timings", "store", "error")
    return {"run": run.pk, **{name: getattr(run, name) for name in names}}


def _tell(run: Run, report: Report) -> None:
    """The plugin's own words for a run, indented."""
    from reco_plugin.management.commands.reco_train import report as described

    report.say()
    for line in described(run):
        report.say(f"  {line}".rstrip())
