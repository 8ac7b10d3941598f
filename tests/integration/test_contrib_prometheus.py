"""What Prometheus is told, from the signal or the table to the text it scrapes."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import servingshop
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import path
from django.utils import timezone

pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from reco_plugin import recommend, signals
from reco_plugin.contrib import figures, listening
from reco_plugin.contrib.prometheus import metrics, receivers
from reco_plugin.contrib.prometheus.views import metrics as view
from reco_plugin.jobs.running.execute import execute, pause
from reco_plugin.models import ActiveRun, Job, OrderCursor, Run
from reco_plugin.types import EventKind, Rung

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]
urlpatterns = [path("metrics/", view)]
DOCS = Path(__file__).parents[2] / "docs" / "howto" / "monitor.md"


@pytest.fixture(autouse=True)
def listens():
    listening.connect(receivers.RECEIVERS)
    receivers._seen.clear()
    figures.latest.forget()
    yield
    listening.disconnect(receivers.RECEIVERS)
    receivers._entered.clear()


def scraped() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    page = Client().get("/metrics/")
    assert page.status_code == 200
    assert page["Content-Type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.content.decode())
        for sample in family.samples
    }


def change(name: str, before: dict, after: dict, **labels: str) -> float:
    key = (name, tuple(sorted(labels.items())))
    return after.get(key, 0.0) - before.get(key, 0.0)


def test_slates_are_counted_by_placement_and_rung(settings) -> None:
    shop = servingshop.Shop(products=servingshop.products(6))
    servingshop.rank(shop, {"": [0, 1, 2, 3]})
    before = scraped()
    assert recommend("popular", placement="home", limit=3).rung is Rung.POPULAR
    settings.RECO_FORCE_RUNG = "nothing"
    assert not recommend("popular", placement="home")
    after = scraped()
    assert change("reco_slates_total", before, after, placement="home", rung="popular") == 1
    assert change("reco_slates_total", before, after, placement="home", rung="nothing") == 1
    assert change("reco_slate_items_sum", before, after, placement="home") == 3
    assert change("reco_slate_seconds_count", before, after, placement="home") == 2
    assert change("reco_rung_seconds_count", before, after, rung="popular") == 1
    assert 0 < change("reco_rung_seconds_sum", before, after, rung="popular") < 5


def test_labels_stay_few() -> None:
    before = scraped()
    for number in range(receivers.MOST_VALUES + 5):
        signals.events_dropped.send(None, reason=f"reason {number}", site=1, count=2)
    after = scraped()
    assert change("reco_events_dropped_total", before, after, reason="reason 0") == 2
    assert change("reco_events_dropped_total", before, after, reason="other") == 10


def test_clicks_trainings_and_breakers() -> None:
    before = scraped()
    click = type("Click", (), {"placement": "home"})()
    signals.recommendation_clicked.send(None, click=click, request=None)
    run = Run(kind="personal", status="rejected")
    signals.training_finished.send(None, run=run)
    signals.breaker_changed.send(None, name="reads of default", state="open")
    after = scraped()
    assert change("reco_clicks_total", before, after, placement="home") == 1
    assert change("reco_new_runs_total", before, after, kind="personal", status="rejected") == 1
    assert after["reco_breaker_state", (("breaker", "reads of default"),)] == 2
    signals.breaker_changed.send(None, name="reads of default", state="closed")
    assert scraped()["reco_breaker_state", (("breaker", "reads of default"),)] == 0


@pytest.mark.django_db(transaction=True)
def test_jobs_are_timed_with_their_outcome() -> None:
    before = scraped()
    assert execute("sweep").outcome == "done"
    figures.latest.forget()
    after = scraped()
    assert change("reco_jobs_total", before, after, job="sweep", outcome="done") == 1
    assert change("reco_job_seconds_count", before, after, job="sweep") == 1
    assert after["reco_job_running", (("job", "sweep"), ("site", "1"))] == 0
    succeeded = after["reco_job_last_success_timestamp_seconds", (("job", "sweep"), ("site", "1"))]
    assert abs(succeeded - timezone.now().timestamp()) < 60
    seen = after["reco_worker_seen_timestamp_seconds", (("site", "1"),)]
    assert abs(seen - timezone.now().timestamp()) < 60


def test_stages_are_timed_and_forgotten_when_a_job_breaks() -> None:
    told = {"name": "train", "site": 1, "stage": "read"}
    before = scraped()
    signals.job_stage_entered.send(None, **told)
    signals.job_stage_left.send(None, **told)
    signals.job_stage_entered.send(None, **{**told, "stage": "learn"})
    signals.job_finished.send(None, name="train", site=1, outcome="failed", seconds=3.0, report={})
    after = scraped()
    assert change("reco_job_stage_seconds_count", before, after, job="train", stage="read") == 1
    assert change("reco_job_stage_seconds_count", before, after, job="train", stage="learn") == 0
    assert receivers._entered == {}


def test_what_the_tables_say() -> None:
    moment = timezone.now() - dt.timedelta(hours=2)
    run = Run.objects.create(kind="personal", trainer="lightfm")
    Run.objects.filter(pk=run.pk).update(created_at=moment)
    ActiveRun.objects.create(kind="personal", run=run)
    OrderCursor.objects.create(mapping="shop")
    OrderCursor.objects.update(synced_at=moment)
    Job.objects.create(name="train", failures=3, started_at=moment, finished_at=moment)
    shop = servingshop.Shop(products=servingshop.products(1))
    shop.did(EventKind.VIEW_ITEM, shop.products[0], days=1)
    pause("popular")
    found = scraped()
    site, at = ("site", "1"), pytest.approx(moment.timestamp(), abs=0.01)
    assert found["reco_tables_up", ()] == 1
    assert found["reco_live_run_timestamp_seconds", (("kind", "personal"), site)] == at
    assert found["reco_orders_synced_timestamp_seconds", (site,)] == at
    assert found["reco_worker_seen_timestamp_seconds", (site,)] == at
    assert found["reco_job_failures", (("job", "train"), site)] == 3
    assert found["reco_job_paused", (("job", "popular"), site)] == 1
    assert found["reco_job_last_success_timestamp_seconds", (("job", "train"), site)] == 0
    yesterday = (timezone.now() - dt.timedelta(days=1)).timestamp()
    assert found["reco_last_event_timestamp_seconds", (site,)] == pytest.approx(yesterday, abs=60)


def test_tables_are_read_rarely(django_assert_num_queries) -> None:
    scraped()
    with django_assert_num_queries(0):
        scraped()


def test_a_database_that_is_out_costs_only_its_own_figures(monkeypatch) -> None:
    def out() -> None:
        raise DatabaseError("connection to server at 10.0.0.1 failed for user ann@example.com")

    monkeypatch.setattr(figures, "figures", out)
    found = scraped()
    assert found["reco_tables_up", ()] == 0
    assert not [name for name, _ in found if name.startswith("reco_job_last")]


def test_a_mistake_of_a_hook_leaves_the_shops_own_metrics(settings) -> None:
    settings.RECO_SITE = f"{__name__}.no_such_callable"
    found = scraped()
    assert found["reco_tables_up", ()] == 0
    assert "python_info" in {name for name, _ in found}


def test_a_thread_that_looks_leaves_no_connection_open() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    from concurrent.futures import ThreadPoolExecutor

    def look() -> bool:
        figures.figures()
        return connection.connection is None

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(look).result()


def test_documented_names_are_those_of_the_code() -> None:
    told = set(re.findall(r"^\| `(reco_\w+)` \|", DOCS.read_text(), re.MULTILINE))
    own = {
        family.name + ("_total" if family.type == "counter" else "")
        for metric in metrics.OWN
        for family in metric.describe()
    }
    assert told == own | {name for name, _ in metrics.TablesCollector.names()}


def test_two_processes_of_one_host(tmp_path: Path) -> None:
    """prometheus_client's multiprocess mode: counts are added up, whoever is scraped."""
    script = """
import sys, django
django.setup()
from reco_plugin import signals
from reco_plugin.contrib.prometheus import metrics
signals.events_dropped.send(None, reason="bot", site=1, count=2)
signals.breaker_changed.send(None, name="reads", state="open" if sys.argv[1] == "1" else "closed")
text = metrics.exposition().decode()
sys.stdout.write(text)
"""
    settings = tmp_path / "prometheus_settings.py"
    settings.write_text(
        "from testapp.settings import *\nINSTALLED_APPS += ['reco_plugin.contrib.prometheus']\n"
    )
    folder = tmp_path / "multi"
    folder.mkdir()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "prometheus_settings",
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])]),
        "RECO_TEST_DATABASE_URL": "sqlite",
    }
    for number in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script, number],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(done.stdout)
        for sample in family.samples
    }
    assert found["reco_events_dropped_total", "bot"] == 4
    assert found["reco_tables_up",] == 0
