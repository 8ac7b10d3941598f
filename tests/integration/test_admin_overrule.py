"""What a gate rejected goes live when somebody says why, and that is written down."""

from __future__ import annotations

from io import StringIO
from typing import Any

import adminshop
import pytest
from adminshop import Rights
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from jobs_shop import history, products

from reco_plugin.exceptions import NotPublished
from reco_plugin.jobs import decisions, publish
from reco_plugin.jobs.artefacts import artefact_path
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.train import train
from reco_plugin.models import Job, Outcome, Run, RunStatus

pytestmark = pytest.mark.django_db
RIGHTS = ("reco.view_run", "reco.activate_run")


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights.in_force(monkeypatch)


@pytest.fixture
def rejected(settings, tmp_path) -> Run:
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER = "reco_plugin.testing.quick.QuickTrainer"
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_STORE = "numpy"
    settings.RECO_MIN_COVERAGE = 2.0  # no list can hold that much
    history(products())
    run = train(evaluate=False)
    assert run.status == RunStatus.REJECTED
    return run


def path(run: Run, what: str = "overrule") -> str:
    return f"/admin/reco/run/{run.pk}/{what}/"


def test_looking_and_saying_nothing_change_nothing(rights: Rights, rejected: Run) -> None:
    client = rights.operator(*RIGHTS)
    assert "all the same" in client.get(path(rejected, "change")).content.decode()
    assert "RECO_MIN_COVERAGE" in client.get(path(rejected)).content.decode()
    assert "A reason is needed." in client.post(path(rejected), {"why": " "}).content.decode()
    rejected.refresh_from_db()
    assert not decisions.decisions(rejected)


def test_with_a_reason_the_next_execution_makes_it_live(rights: Rights, rejected: Run) -> None:
    client = rights.operator(*RIGHTS)
    assert client.post(path(rejected), {"why": "a small shop"}).status_code == 302
    assert Job.objects.get(name="train").requested_at is not None
    assert execute("train").outcome == Outcome.DONE
    rejected.refresh_from_db()
    assert active_run(1, "personal") == rejected
    (entry,) = decisions.decisions(rejected)
    assert (entry["what"], entry["why"], entry["gates"]) == (
        "overruled",
        "a small shop",
        ["coverage"],
    )
    assert entry["by"] == LogEntry.objects.get().user.get_username()
    text = client.get(path(rejected, "change")).content.decode()
    assert "a small shop" in text
    assert "It was not published." not in text
    assert {"fit", "publish"} <= set(rejected.timings)


def test_only_whom_the_permission_was_given(rights: Rights, rejected: Run) -> None:
    client = rights.operator("reco.view_run", "reco.change_run")
    assert client.get(path(rejected)).status_code == 403
    assert client.post(path(rejected), {"why": "because"}).status_code == 403


def test_a_published_run_is_not_overruled(rights: Rights) -> None:
    run = adminshop.run()
    assert rights.operator(*RIGHTS).post(path(run), {"why": "because"}).status_code == 302
    run.refresh_from_db()
    assert not decisions.decisions(run)


KEPT = [("blend", {"lists": 40}), ("encoder", {"fingerprint": "5b0c"})]


def refused(kind: str, dataset: dict[str, Any]) -> Run:
    gate = {"name": kind, "passed": False, "words": "no better by far"}
    return adminshop.run(kind=kind, status=RunStatus.REJECTED, dataset=dataset, gates=[gate])


@pytest.mark.parametrize(("kind", "dataset"), KEPT)
def test_what_is_kept_whole_is_live_at_once(rights: Rights, kind: str, dataset: Any) -> None:
    client, run = rights.operator(*RIGHTS), refused(kind, dataset)
    before = adminshop.run(kind=kind)
    publish.activate(before)
    assert "all the same" in client.get(path(run, "change")).content.decode()
    asked = client.get(path(run)).content.decode()
    assert "no better by far" in asked
    assert "From the next page on" in asked
    assert "A reason is needed." in client.post(path(run)).content.decode()
    assert active_run(1, kind) == before
    text = client.post(path(run), {"why": "for the fair"}, follow=True).content.decode()
    assert "is live now, against its gates." in text
    assert "for the fair" in text
    assert active_run(1, kind) == run
    assert not Job.objects.filter(requested_at__isnull=False).exists()
    (entry,) = decisions.decisions(active_run(1, kind))
    assert (entry["what"], entry["gates"]) == ("overruled", [kind])
    assert LogEntry.objects.get().user.get_username() == entry["by"]
    assert publish.rollback(1, kind).run == before


def test_what_was_let_go_of_while_the_page_was_open_stays_gone(rights: Rights) -> None:
    run = refused("blend", {"lists": 40})
    Run.objects.filter(pk=run.pk).update(status=RunStatus.PRUNED)
    with pytest.raises(NotPublished, match="Look again"):
        decisions.overrule(run, by="me", why="because")
    run.refresh_from_db()
    assert (run.status, decisions.decisions(run)) == (RunStatus.PRUNED, [])
    assert active_run(1, "blend") is None


@pytest.mark.parametrize(
    ("kind", "words"), [("blend", "nothing of it was kept"), ("tuning", "is a tuning run")]
)
def test_where_nothing_was_kept_the_command_says_so(kind: str, words: str) -> None:
    run = refused(kind, {"events": 9})
    run.artefact = ""
    run.save()
    with pytest.raises(CommandError, match=words):
        call_command("reco_runs", "activate", run.pk, "--because", "it is mine", "--dry-run")
    assert active_run(1, kind) is None


@pytest.mark.parametrize("gate", ["finite", "interactions"])
def test_what_was_never_learnt_cannot_be_published(rejected: Run, gate: str) -> None:
    rejected.gates = [{"name": gate, "passed": False, "words": ""}]
    with pytest.raises(NotPublished, match=gate):
        decisions.overrule(rejected, by="me", why="because")


def test_by_command_with_a_reason_and_back_again(rejected: Run, settings) -> None:
    with pytest.raises(CommandError, match="--because"):
        call_command("reco_runs", "activate", rejected.pk)
    out = StringIO()
    call_command("reco_runs", "activate", rejected.pk, "--because", "we look alike", stdout=out)
    assert active_run(1, "personal") == rejected
    settings.RECO_MIN_COVERAGE = 0.0
    newer = train(evaluate=False)
    assert active_run(1, "personal") == newer
    call_command("reco_runs", "rollback", "personal", "--because", "it sells less", stdout=out)
    shown = StringIO()
    call_command("reco_runs", "show", rejected.pk, stdout=shown)
    assert "against coverage: we look alike" in shown.getvalue()
    assert "it sells less" in shown.getvalue()


def test_a_file_that_is_gone_is_told_once_and_training_goes_on(rejected: Run, settings) -> None:
    artefact_path(rejected).unlink()
    decisions.overrule(rejected, by="me", why="because")
    assert execute("train").outcome == Outcome.FAILED
    rejected.refresh_from_db()
    assert decisions.decisions(rejected)[-1]["what"] == "could not be published"
    assert rejected.status == RunStatus.REJECTED
    settings.RECO_MIN_COVERAGE = 0.0
    assert train(evaluate=False).status == RunStatus.PUBLISHED
