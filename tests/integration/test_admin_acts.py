"""What an operator may set going: by POST only, with its own permission, asked first, written down."""

from __future__ import annotations

import adminshop
import pytest
from adminshop import Rights
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from testapp.models import Customer

from reco_plugin.jobs.running.schedule import specs
from reco_plugin.models import ActiveRun, Job, Run, RunStatus

pytestmark = pytest.mark.django_db
ACTIVATE = ("reco.view_run", "reco.activate_run")
START = ("reco.view_job", "reco.start_job")


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights.in_force(monkeypatch)


@pytest.fixture
def two() -> tuple[Run, Run]:
    """The live run, and a newer one that is published too."""
    runs = adminshop.run(), adminshop.run()
    adminshop.live(runs[0])
    return runs


def live() -> int:
    return ActiveRun.objects.get().run_id


def said(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))  # type: ignore[attr-defined]


def activate(client: Client, run: Run, live: Run | None, verb: str = "activate") -> HttpResponse:
    data = {"live": live.pk if live else ""}
    return client.post(f"/admin/reco/run/{run.pk}/{verb}/", data)  # type: ignore[return-value]


# --- runs ----------------------------------------------------------------------------------------


def test_looking_at_the_question_changes_nothing(rights: Rights, two: tuple[Run, Run]) -> None:
    response = rights.operator(*ACTIVATE).get(f"/admin/reco/run/{two[1].pk}/activate/")
    assert f"Make run {two[1].pk} live?" in response.content.decode()
    assert "What changes" in response.content.decode()
    assert live() == two[0].pk


def test_yes_makes_it_live_and_is_written_down(rights: Rights, two: tuple[Run, Run]) -> None:
    response = activate(rights.operator(*ACTIVATE), two[1], two[0])
    assert response.status_code == 302
    assert ActiveRun.objects.get().previous_id == two[0].pk
    assert live() == two[1].pk
    entry = LogEntry.objects.get()
    assert entry.object_id == str(two[1].pk)
    assert "live" in entry.get_change_message()
    assert entry.user == Customer.objects.get()
    assert "is live now" in said(response)


def test_back_again(rights: Rights, two: tuple[Run, Run]) -> None:
    client = rights.operator(*ACTIVATE)
    activate(client, two[1], two[0])
    text = client.get(f"/admin/reco/run/{two[1].pk}/roll-back/").content.decode()
    assert f"Go back to run {two[0].pk}?" in text
    assert live() == two[1].pk
    activate(client, two[1], two[1], "roll-back")
    assert live() == two[0].pk
    assert LogEntry.objects.count() == 2


def test_asked_twice_it_is_done_once(rights: Rights, two: tuple[Run, Run]) -> None:
    client = rights.operator(*ACTIVATE)
    activate(client, two[1], two[0])
    activate(client, two[1], two[1], "roll-back")
    again = activate(client, two[1], two[1], "roll-back")
    assert live() == two[0].pk
    assert "Meanwhile" in said(again)
    assert LogEntry.objects.count() == 2


def test_who_was_overtaken_is_asked_again(rights: Rights, two: tuple[Run, Run]) -> None:
    third = adminshop.run()
    ActiveRun.objects.update(run=third)
    response = activate(rights.operator(*ACTIVATE), two[1], two[0])
    assert live() == third.pk
    assert "Meanwhile another run went live" in said(response)


def test_the_first_run_of_a_kind_can_be_made_live(rights: Rights) -> None:
    run = adminshop.run(kind="popular", metrics={})
    client = rights.operator(*ACTIVATE)
    text = client.get(f"/admin/reco/run/{run.pk}/activate/").content.decode()
    assert "No run of this kind is live now." in text
    activate(client, run, None)
    assert live() == run.pk


@pytest.mark.parametrize("status", [RunStatus.REJECTED, RunStatus.FAILED, RunStatus.PRUNED])
def test_what_no_store_holds_is_refused(
    rights: Rights, two: tuple[Run, Run], status: RunStatus
) -> None:
    Run.objects.filter(pk=two[1].pk).update(status=status)
    client = rights.operator(*ACTIVATE)
    assert "Make it live" not in client.get(f"/admin/reco/run/{two[1].pk}/change/").content.decode()
    response = activate(client, two[1], two[0])
    assert live() == two[0].pk
    assert "only published runs" in said(response)
    assert not LogEntry.objects.exists()


def test_nothing_earlier_to_go_back_to(rights: Rights, two: tuple[Run, Run]) -> None:
    response = activate(rights.operator(*ACTIVATE), two[0], two[0], "roll-back")
    assert "no earlier run" in said(response)


@pytest.mark.parametrize("verb", ["activate", "roll-back"])
def test_a_run_that_is_not_there(rights: Rights, verb: str) -> None:
    assert rights.operator(*ACTIVATE).get(f"/admin/reco/run/99/{verb}/").status_code == 404


@pytest.mark.parametrize("verb", ["activate", "roll-back"])
@pytest.mark.parametrize("permissions", [(), ("reco.view_run", "reco.change_run", *START)])
def test_only_whom_the_permission_was_given(
    rights: Rights, two: tuple[Run, Run], verb: str, permissions: tuple[str, ...]
) -> None:
    ActiveRun.objects.update(previous=two[1])
    client = rights.operator(*permissions)
    path = f"/admin/reco/run/{two[1].pk}/{verb}/"
    assert client.get(path).status_code == 403
    assert client.post(path, {"live": two[0].pk}).status_code == 403
    assert live() == two[0].pk


def test_a_stranger_is_sent_to_the_login(two: tuple[Run, Run]) -> None:
    response = Client().post(f"/admin/reco/run/{two[1].pk}/activate/", {"live": two[0].pk})
    assert "/login/" in response["Location"]
    assert live() == two[0].pk


def test_no_other_page_can_make_the_operator_s_browser_do_it(
    rights: Rights, two: tuple[Run, Run]
) -> None:
    client = rights.operator(*ACTIVATE, *START)
    client.handler.enforce_csrf_checks = True
    assert activate(client, two[1], two[0]).status_code == 403
    assert client.post("/admin/reco/job/of/train/start/").status_code == 403
    assert live() == two[0].pk
    assert not Job.objects.exists()


def test_links_are_shown_to_whom_may_follow_them(rights: Rights, two: tuple[Run, Run]) -> None:
    path = f"/admin/reco/run/{two[1].pk}/change/"
    assert "Make it live" in rights.operator(*ACTIVATE).get(path).content.decode()
    assert "Make it live" not in rights.operator("reco.view_run").get(path).content.decode()


def test_the_history_of_a_run_tells_who_did_it(rights: Rights, two: tuple[Run, Run]) -> None:
    client = rights.operator(*ACTIVATE)
    activate(client, two[1], two[0])
    assert "is live now" in client.get(f"/admin/reco/run/{two[1].pk}/history/").content.decode()


# --- jobs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(specs()))
def test_start_pause_resume(rights: Rights, name: str) -> None:
    client = rights.operator(*START)

    def do(action: str) -> Job:
        response = client.post(f"/admin/reco/job/of/{name}/{action}/", follow=True)
        assert str(specs()[name].title) in response.content.decode()
        return Job.objects.get(name=name)

    assert do("start").requested_at is not None
    assert do("pause").is_paused
    assert not do("resume").is_paused
    assert LogEntry.objects.count() == 3


def test_a_job_that_was_asked_for_is_due(rights: Rights) -> None:
    client = rights.operator(*START)
    client.post("/admin/reco/job/of/train/start/")
    text = client.get("/admin/reco/job/of/train/").content.decode()
    assert "Somebody asked for it." in text
    assert "Start now" not in text


@pytest.mark.parametrize("action", ["start", "pause", "resume"])
@pytest.mark.parametrize("permissions", [(), ("reco.change_job", *ACTIVATE)])
def test_jobs_are_left_alone_by_whom_it_is_not_for(
    rights: Rights, action: str, permissions: tuple[str, ...]
) -> None:
    path = f"/admin/reco/job/of/train/{action}/"
    assert rights.operator(*permissions).post(path).status_code == 403
    assert not Job.objects.exists()


def test_a_job_is_never_started_by_a_link(rights: Rights) -> None:
    response = rights.operator(*START).get("/admin/reco/job/of/train/start/")
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert not Job.objects.exists()


@pytest.mark.parametrize("path", ["of/nothing/start/", "of/train/explode/"])
def test_what_there_is_not_cannot_be_started(rights: Rights, path: str) -> None:
    assert rights.operator(*START).post(f"/admin/reco/job/{path}").status_code == 404


def test_the_job_of_the_shop_one_looks_at(rights: Rights) -> None:
    client = rights.operator(*START)
    response = client.post("/admin/reco/job/of/train/start/?site=2", {"list": "1"})
    assert response["Location"] == "/admin/reco/job/?site=2"
    assert Job.objects.get().site == 2


def test_the_history_leads_to_the_job(rights: Rights) -> None:
    client = rights.operator(*START)
    client.post("/admin/reco/job/of/train/start/")
    link = LogEntry.objects.get().get_admin_url()
    assert client.get(str(link), follow=True).request["PATH_INFO"] == "/admin/reco/job/of/train/"
