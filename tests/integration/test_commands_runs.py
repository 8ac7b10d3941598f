"""One run in full, and two beside each other."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from reco_plugin.models import ActiveRun, Run, RunStatus

pytestmark = pytest.mark.django_db


def gate(passed: bool | None, value: float | None) -> dict[str, Any]:
    return {"name": "coverage", "passed": passed, "words": "so much", "value": value, "limit": 0.1}


@pytest.fixture
def runs() -> tuple[Run, Run]:
    found = []
    for number, status in enumerate((RunStatus.PUBLISHED, RunStatus.REJECTED)):
        report = {"ndcg@10": {"mean": 0.1 + number / 10, "low": 0, "high": 1, "n": 9}}
        found.append(
            Run.objects.create(
                kind="personal",
                trainer="lightfm",
                status=status,
                config={"trainer": {"epochs": 5 + number}, "seed": 0},
                dataset={"events": 100, "notes": ["short"]},
                metrics={
                    "results": {"fold_in": {**report, "coverage@10": 0.5}},
                    "since": [{"at": "2026-01-02T00:00:00+00:00", "words": "held up"}],
                },
                gates=[gate(not number, 0.2 - number / 10)],
                timings={"fit": 1.5},
                log=[{"at": "2026-01-01T00:00:00+00:00", "stage": "fit", "words": "1.5 s"}],
            )
        )
    ActiveRun.objects.create(kind="personal", run=found[0])
    return found[0], found[1]


def said(*arguments: object) -> str:
    out = StringIO()
    call_command("reco_runs", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_show_tells_everything(runs):
    text = said("show", runs[0].pk)
    for words in (
        f"Run {runs[0].pk}: personal, published, live, by lightfm",
        "trainer.epochs: 5",
        "events: 100",
        "passed: so much",
        "fold_in: ndcg@10: 0.1",
        "2026-01-02T00:00:00+00:00: held up",
        "2026-01-01T00:00:00+00:00: fit: 1.5 s",
    ):
        assert words in text
    assert "FAILED: so much" in said("show", runs[1].pk)


@pytest.mark.parametrize("order", ["before", "after"])
def test_show_as_json_wherever_the_flag_stands(runs, order):
    number = runs[0].pk
    arguments = ("--json", "show", number) if order == "before" else ("show", number, "--json")
    told = json.loads(said(*arguments))
    assert (told["run"], told["live"], told["log"][0]["stage"]) == (number, True, "fit")


def test_compare_tells_only_what_differs(runs):
    text = said("compare", runs[0].pk, runs[1].pk)
    assert "config: trainer.epochs" in text
    assert "seed" not in text
    assert text.splitlines()[0].split() == ["run", str(runs[0].pk), "run", str(runs[1].pk)]
    told = json.loads(said("compare", runs[0].pk, runs[1].pk, "--json"))
    assert told["differences"]["fold_in: ndcg@10"] == [0.1, 0.2]
    assert told["differences"]["gate: coverage"] == ["passed", "FAILED"]


def test_a_run_beside_itself(runs):
    assert "do not differ" in said("compare", runs[0].pk, runs[0].pk)


def test_a_run_that_is_not_there_is_an_error(runs):
    for arguments in (("show", 0), ("compare", runs[0].pk, 0), ("show", runs[0].pk, "--site", 9)):
        with pytest.raises(CommandError):
            said(*arguments)
    with pytest.raises(CommandError, match="of site 9"):
        said("--site", 9, "show", runs[0].pk)
