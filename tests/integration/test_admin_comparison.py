"""The page of comparisons: the newest, its charts with their tables, and those before it."""

from __future__ import annotations

from typing import Any

import pytest
from adminshop import MARKUP, VIEW, Rights
from django.test import Client

from reco_plugin.models import COMPARISON, Run, RunStatus

pytestmark = pytest.mark.django_db
PAGE = "/admin/reco/run/comparison/"


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights.in_force(monkeypatch)


@pytest.fixture
def analyst(rights: Rights) -> Client:
    return rights.operator(*VIEW)


def line(name: str, ndcg: float, **changes: Any) -> dict[str, Any]:
    told = {
        "name": name,
        "sort": "single",
        "live": False,
        "ndcg@10": ndcg,
        "recall@10": ndcg,
        "standard_error": 0.01,
        "coverage": 0.5,
        "ms_per_request": 1.5,
        "ratio": ndcg / 0.2,
        "ratio_low": 1.01,
        "ratio_high": 1.3,
        "against": "ease",
    }
    return {**told, **changes}


def comparison(**changes: Any) -> Run:
    metrics = {
        "protocol": "time",
        "metric": "ndcg@10",
        "words": "What each shopper turns to.",
        "requests": 300,
        "statement": ["1,000 events.", MARKUP],
        "models": [line("personal", 0.24, live=True), line("ease", 0.2), line("popularity", 0.1)],
        "failed": {"lightfm": "lightfm is not installed."},
        "slices": [
            {
                "model": "personal",
                "by": "shopper",
                "name": "new",
                "n": None,
                "words": "too few to tell",
            }
        ],
    }
    run = {"kind": COMPARISON, "trainer": "compare", "status": RunStatus.PUBLISHED}
    return Run.objects.create(**{**run, "metrics": {**metrics, **changes}})


def test_the_newest_is_shown_with_charts_tables_and_its_protocol(analyst: Client) -> None:
    comparison()
    run = comparison()
    page = analyst.get(PAGE).content.decode()
    assert f"Run {run.pk}" in page
    assert page.count('<svg class="reco-chart"') == page.count("<details>") == 4
    assert "1.200 [1.010, 1.300]" in page
    assert "more than luck" in page
    assert "too few to tell" in page
    assert "lightfm is not installed." in page
    assert MARKUP not in page
    assert "1,000 events." in page


def test_an_older_one_is_a_link_away_and_no_other_run_is(analyst: Client) -> None:
    old, new = comparison(words="The first question."), comparison()
    other = Run.objects.create(kind="personal", trainer="t", status=RunStatus.PUBLISHED)
    assert f"?run={old.pk}" in analyst.get(PAGE).content.decode()
    assert "The first question." in analyst.get(f"{PAGE}?run={old.pk}").content.decode()
    assert analyst.get(f"{PAGE}?run={other.pk}").status_code == 404
    answer = analyst.get(f"/admin/reco/run/{new.pk}/change/")
    assert answer.status_code == 302
    assert f"comparison/?run={new.pk}" in answer["Location"]


def test_without_one_the_job_is_named(analyst: Client) -> None:
    page = analyst.get(PAGE).content.decode()
    assert "Nothing was compared yet" in page
    assert "/admin/reco/job/of/compare/" in page


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"models": []},
        {"models": [{"name": "bare"}], "metric": "ndcg@10"},
        {"cannot": "no shopper has more than one event"},
    ],
)
def test_old_and_refused_ones_lack_parts_of_it(analyst: Client, metrics: dict[str, Any]) -> None:
    run = {"kind": COMPARISON, "trainer": "compare", "status": RunStatus.REJECTED}
    Run.objects.create(**run, metrics=metrics)
    page = analyst.get(PAGE)
    assert page.status_code == 200
    assert metrics.get("cannot", "") in page.content.decode()


def test_it_is_for_those_who_may_see_runs_and_stands_in_the_strip(rights: Rights) -> None:
    comparison()
    nobody = rights.operator("reco.view_item", name="nobody")
    assert nobody.get(PAGE).status_code == 403
    analyst = rights.operator("reco.view_run", name="analyst")
    assert PAGE in analyst.get("/admin/reco/").content.decode()
