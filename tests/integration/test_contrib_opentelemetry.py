"""Spans of slates and jobs, as an exporter of the shop gets them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.sdk")

import servingshop
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from reco_plugin import recommend, signals
from reco_plugin.contrib import listening
from reco_plugin.contrib.opentelemetry import tracing
from reco_plugin.types import EventKind

EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))


def home(request: HttpRequest) -> HttpResponse:
    with PROVIDER.get_tracer("shop").start_as_current_span("GET /"):
        slate = recommend("personal", request=request, placement="home", limit=3)
    return HttpResponse(str(len(slate)))


urlpatterns = [path("", home)]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def listens(monkeypatch):
    monkeypatch.setattr(tracing, "_tracer", lambda: PROVIDER.get_tracer("reco_plugin"))
    listening.connect(tracing.RECEIVERS)
    EXPORTER.clear()
    yield
    listening.disconnect(tracing.RECEIVERS)
    tracing._jobs.clear()


def spans() -> dict[str, object]:
    return {span.name: span for span in EXPORTER.get_finished_spans()}


def test_a_slate_has_a_span_below_the_requests_and_one_per_rung_below_it() -> None:
    shop = servingshop.Shop(products=servingshop.products(6))
    servingshop.publish(shop)
    servingshop.rank(shop, {"": [0, 1, 2, 3]})
    began = time.time_ns()
    page = Client(headers={"user-agent": servingshop.AGENT}).get("/")
    ended = time.time_ns()
    assert page.content == b"3"
    found = spans()
    slate, popular = found["reco.slate"], found["reco.rung popular"]
    assert slate.parent.span_id == found["GET /"].context.span_id
    assert popular.parent.span_id == slate.context.span_id
    assert began <= slate.start_time <= popular.start_time
    assert popular.start_time < popular.end_time <= slate.end_time <= ended
    assert slate.attributes["reco.placement"] == "home"
    assert slate.attributes["reco.rung"] == "popular"
    assert slate.attributes["reco.items"] == 3
    assert slate.attributes["reco.run"] == shop.popular.pk


def test_rungs_follow_one_upon_another() -> None:
    shop = servingshop.Shop(products=servingshop.products(6))
    servingshop.publish(shop, members=shop.products[:2])
    servingshop.rank(shop, {"": [0, 1, 2, 3]})
    shop.viewed(0)
    recommend("personal", shopper=shop.shopper, limit=4)
    found = [span for span in EXPORTER.get_finished_spans() if span.name.startswith("reco.rung")]
    assert len(found) >= 2
    for before, after in itertools.pairwise(found):
        assert before.end_time == after.start_time


def test_no_span_says_who_or_what() -> None:
    shop = servingshop.Shop(products=servingshop.products(6))
    servingshop.publish(shop)
    shop.did(EventKind.VIEW_ITEM, shop.products[1])
    recommend("personal", shopper=shop.shopper)
    told = " ".join(span.to_json() for span in EXPORTER.get_finished_spans())
    assert str(shop.shopper.id) not in told
    assert not [product for product in shop.products if str(product.pk) in told]


def test_an_empty_slate_says_why(settings) -> None:
    settings.RECO_FORCE_RUNG = "nothing"
    recommend("popular")
    (event,) = spans()["reco.slate"].events
    assert event.name == "reco.nothing"


def job(name: str = "train", outcome: str = "done", stages=("read", "learn")) -> None:
    for stage in stages:
        signals.job_stage_entered.send(None, name=name, site=1, stage=stage)
        with PROVIDER.get_tracer("shop").start_as_current_span(f"SELECT in {stage}"):
            pass
        if outcome == "done" or stage != stages[-1]:
            signals.job_stage_left.send(None, name=name, site=1, stage=stage)
    signals.job_finished.send(None, name=name, site=1, outcome=outcome, seconds=2.0, report={})


def test_a_job_and_its_stages() -> None:
    job()
    found = spans()
    whole = found["reco.job train"]
    for stage in ("read", "learn"):
        assert found[f"reco.stage {stage}"].parent.span_id == whole.context.span_id
        below = found[f"SELECT in {stage}"]
        assert below.parent.span_id == found[f"reco.stage {stage}"].context.span_id
    assert whole.attributes["reco.outcome"] == "done"
    assert whole.status.status_code is StatusCode.UNSET
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_job_that_breaks_marks_the_stage_it_broke_in() -> None:
    job(outcome="failed")
    found = spans()
    assert found["reco.stage read"].status.status_code is StatusCode.UNSET
    assert found["reco.stage learn"].status.status_code is StatusCode.ERROR
    assert found["reco.job train"].status.status_code is StatusCode.ERROR
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_job_without_stages_has_the_time_it_took() -> None:
    job(stages=())
    whole = spans()["reco.job train"]
    assert whole.end_time - whole.start_time == pytest.approx(2e9, rel=0.05)


def test_only_the_api_is_imported() -> None:
    script = (
        "import sys\n"
        "from importlib.abc import MetaPathFinder\n"
        "class NoSdk(MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('opentelemetry.sdk'):\n"
        "            raise AssertionError(name)\n"
        "sys.meta_path.insert(0, NoSdk())\n"
        "import django; django.setup()\n"
        "from reco_plugin import recommend\n"
        "from reco_plugin.contrib.opentelemetry import tracing\n"
        "from reco_plugin.contrib.listening import connect\n"
        "connect(tracing.RECEIVERS)\n"
        "recommend('popular')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "RECO_TEST_DATABASE_URL": "sqlite",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
