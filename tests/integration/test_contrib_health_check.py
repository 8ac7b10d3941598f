"""django-health-check asks us: what it answers, and that a shop is never taken away for our sake."""

from __future__ import annotations

import datetime as dt
import time

import pytest
import servingshop
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import path
from django.utils import timezone

pytest.importorskip("health_check.base")

from health_check.views import HealthCheckView

from reco_plugin.breaker import breaker, reset
from reco_plugin.contrib import figures
from reco_plugin.contrib.health_check import checks, troubles
from reco_plugin.jobs.running.execute import pause
from reco_plugin.jobs.running.schedule import specs
from reco_plugin.models import Job, Run

LIVE = "reco_plugin.contrib.health_check.checks.Live"
READY = "reco_plugin.contrib.health_check.checks.Ready"
urlpatterns = [
    path("balancer/", HealthCheckView.as_view(checks=[LIVE, READY])),
    path("people/", HealthCheckView.as_view(checks=[(READY, {"may_fail": True})])),
    path("live/", HealthCheckView.as_view(checks=[(LIVE, {"may_fail": True})])),
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def start_clean():
    figures.latest.forget()
    checks._said.clear()
    reset()
    yield
    reset()
    figures.latest.forget()


@pytest.fixture
def well() -> servingshop.Shop:
    """A shop with live runs, whose jobs all succeeded a minute ago."""
    shop = servingshop.Shop(products=servingshop.products(4))
    servingshop.publish(shop)
    servingshop.rank(shop, {"": [0, 1]})
    now = timezone.now()
    Job.objects.bulk_create(
        Job(
            name=name,
            succeeded_at=now - dt.timedelta(minutes=1),
            started_at=now - dt.timedelta(minutes=2),
            finished_at=now - dt.timedelta(minutes=1),
        )
        for name in specs()
    )
    return shop


def asked(page: str) -> tuple[int, dict[str, str]]:
    figures.latest.forget()
    response = Client().get(f"/{page}/", {"format": "json"})
    return response.status_code, response.json()


def trouble() -> str:
    status, words = asked("people")
    assert status == 500
    return words["Recommendations: ready"]


def test_all_is_well(well) -> None:
    assert asked("people") == (200, {"Recommendations: ready": "OK"})
    assert asked("live") == (200, {"Recommendations: live": "OK"})
    assert asked("balancer") == (
        200,
        {"Recommendations: live": "OK", "Recommendations: ready": "OK"},
    )


def test_a_shop_without_anything_yet() -> None:
    words = trouble()
    assert "no worker has been seen yet" in words
    assert "no run is live" in words


def test_a_worker_that_is_gone(well) -> None:
    Job.objects.update(finished_at=timezone.now() - dt.timedelta(hours=2))
    assert "no worker has been seen since" in trouble()


def test_a_job_that_is_late_and_one_that_is_paused(well) -> None:
    old = timezone.now() - dt.timedelta(days=7)
    Job.objects.filter(name__in=["train", "rollup"]).update(succeeded_at=old)
    pause("rollup")
    words = trouble()
    assert "train has been due since" in words
    assert "rollup" not in words


def test_a_job_that_fails_and_fails(well) -> None:
    Job.objects.filter(name="popular").update(failures=3)
    assert "popular failed 3 times in a row" in trouble()


def test_a_run_that_cannot_be_read(well) -> None:
    Run.objects.filter(pk=well.run.pk).update(store_state={}, store="pgvector")
    assert f"run {well.run.pk}" in trouble()


def test_a_breaker_that_is_open(well, settings) -> None:
    settings.RECO_BREAKER_FAILURES = 1
    breaker("reads", "default").failed()
    assert "reads of default are given up" in trouble()
    assert asked("live")[0] == 500


def test_the_balancer_hears_ok_and_the_log_the_truth(well, caplog, monkeypatch) -> None:
    def out() -> None:
        raise DatabaseError("connection refused: host 10.0.0.1 user ann@example.com")

    caplog.set_level("INFO", logger="reco_plugin.contrib.health_check")
    with monkeypatch.context() as patch:
        patch.setattr(figures, "figures", out)
        assert asked("balancer")[0] == 200
        assert asked("balancer")[0] == 200
        assert "does not answer" in trouble()
    assert asked("balancer")[0] == 200
    told = [record.getMessage() for record in caplog.records if record.name.startswith("reco")]
    assert told == [
        "Recommendations: ready: the database does not answer (DatabaseError)",
        "Recommendations: ready: all is well again",
    ]


def test_a_mistake_of_a_hook_takes_no_shop_away(well, settings) -> None:
    settings.RECO_SITE = f"{__name__}.no_such_callable"
    assert asked("balancer")[0] == 200
    assert "could not be looked at (ImproperlyConfigured)" in trouble()


def test_a_database_that_is_slow_takes_no_shop_away(well, monkeypatch) -> None:
    monkeypatch.setattr(checks.Ready, "timeout", dt.timedelta(seconds=-0.9), raising=False)
    monkeypatch.setattr(figures, "figures", lambda: time.sleep(0.3))
    assert asked("balancer")[0] == 200
    assert asked("people")[0] == 500


def test_a_failure_is_not_looked_for_again_at_once(monkeypatch) -> None:
    seen: list[int] = []

    def out() -> None:
        seen.append(1)
        raise DatabaseError("down")

    monkeypatch.setattr(figures, "figures", out)
    for _ in range(3):
        Client().get("/balancer/", {"format": "json"})
    assert seen == [1]


def test_switched_off_is_no_trouble(settings) -> None:
    settings.RECO_ENABLED = False
    assert asked("people")[0] == 200


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL has locks")
def test_a_store_that_is_locked_keeps_nobody_waiting(well, monkeypatch) -> None:
    monkeypatch.setattr(troubles, "STORE_TIMEOUT_MS", 200)
    state = Run.objects.get(kind="personal").store_state
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            for table in (state.get("shoppers"), "reco_vector_block"):
                if table:
                    cursor.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')
        began = time.monotonic()
        assert "the database does not answer" in trouble()
        assert time.monotonic() - began < 4
    finally:
        other.close()
    assert asked("people")[0] == 200
