"""Every page of the operator: who may see it, what it says, what it costs, and that nothing runs in it."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from xml.etree import ElementTree as ET

import adminshop
import pytest
from adminshop import MARKUP, VIEW, Rights
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone

from reco_plugin.admin.sites import chosen
from reco_plugin.models import DailyTotal, Dropped, Interaction, Item, Job, JobLog, RunStatus, Shard

pytestmark = pytest.mark.django_db
PAGES = {
    "/admin/reco/": "view_run",
    "/admin/reco/run/": "view_run",
    "/admin/reco/run/over-time/": "view_run",
    "/admin/reco/run/tuning/": "view_run",
    "/admin/reco/job/": "view_job",
    "/admin/reco/job/of/train/": "view_job",
    "/admin/reco/job/readiness/": "view_job",
    "/admin/reco/job/settings/": "view_job",
    "/admin/reco/joblog/": "view_joblog",
    "/admin/reco/interaction/": "view_interaction",
    "/admin/reco/interaction/dropped/": "view_interaction",
    "/admin/reco/item/": "view_item",
    "/admin/reco/placement/": "view_placement",
    "/admin/reco/manuallink/": "view_manuallink",
    "/admin/reco/suggestion/": "view_suggestion",
    "/admin/reco/picture/map/": "view_picture",
    "/admin/reco/picture/duplicates/": "view_picture",
}


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights.in_force(monkeypatch)


@pytest.fixture
def operator(rights: Rights) -> Client:
    return rights.operator(*VIEW)


def told(client: Client, path: str) -> str:
    """What the page says; it holds no script and no style of its own."""
    response = client.get(path)
    assert response.status_code == 200, (path, response.status_code)
    text = response.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*json)[^>]*>", text), path
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), path
    for drawing in re.findall(r"<svg class=\"reco.*?</svg>", text, re.DOTALL):
        ET.fromstring(drawing)
    return text


# --- who may see what ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_sent_to_the_login(path: str) -> None:
    response = Client().get(path)
    assert response.status_code == 302
    assert "/login/" in response["Location"]


@pytest.mark.parametrize("path", PAGES)
def test_staff_without_a_permission_see_nothing(rights: Rights, path: str) -> None:
    assert rights.operator().get(path).status_code in {403, 404}


@pytest.mark.parametrize(("path", "permission"), PAGES.items())
def test_one_permission_opens_its_pages_and_no_other(
    rights: Rights, path: str, permission: str
) -> None:
    other = {"view_run": "view_item"}.get(permission, "view_run")
    assert rights.operator(f"reco.{permission}").get(path).status_code == 200
    if path != "/admin/reco/":  # the stock index shows whoever may see anything what they may see
        assert rights.operator(f"reco.{other}").get(path).status_code == 403


def test_the_index_tells_of_runs_only_to_whom_may_see_them(rights: Rights) -> None:
    adminshop.live(adminshop.run())
    assert "Live now" in told(rights.operator("reco.view_run"), "/admin/reco/")
    assert "Live now" not in told(rights.operator("reco.view_item"), "/admin/reco/")


@pytest.mark.parametrize("model", ["run", "job", "joblog", "interaction", "item"])
def test_nothing_is_added_changed_or_deleted(rights: Rights, model: str) -> None:
    verbs = ("add", "change", "delete", "view")
    client = rights.operator(*(f"reco.{verb}_{model}" for verb in verbs))
    row = adminshop.run()
    assert client.get(f"/admin/reco/{model}/add/").status_code == 403
    assert client.post(f"/admin/reco/run/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "delete_selected" not in client.get(f"/admin/reco/{model}/").content.decode()
    row.refresh_from_db()


# --- what they say -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_every_page_of_an_empty_shop(operator: Client, path: str) -> None:
    told(operator, path)


def test_the_list_of_runs(operator: Client) -> None:
    first, second = adminshop.run(), adminshop.run()
    adminshop.run(
        status=RunStatus.REJECTED,
        gates=[{"name": "spread", "passed": False, "words": "all alike"}],
    )
    adminshop.run(status=RunStatus.FAILED, error="Out of memory.", metrics={}, dataset={})
    adminshop.live(second, first)
    text = told(operator, "/admin/reco/run/")
    assert text.count("● live") == 1
    for words in ("0.0600", "+20 %", "40.0 %", "12,345 events", "all alike", "Out of memory."):
        assert words in text, words
    assert "01/01/2026" in text


def test_the_page_of_a_run(operator: Client) -> None:
    run = adminshop.run()
    adminshop.live(run)
    text = told(operator, f"/admin/reco/run/{run.pk}/change/")
    for words in (
        "all numbers are finite",
        "✓",
        "not measured",
        "12,345 of 12,350 events.",
        "A note of the measurement.",
        "1 min 15 s",
        "epoch 8",
        "nearest / recall",
        "0.98",
        "+20 %",
        "● live",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    "broken",
    [
        {"metrics": [], "dataset": "", "gates": {}, "timings": [], "log": "x", "config": None},
        {"metrics": {"served": 3, "results": [1]}, "gates": [1, None], "timings": {"fit": None}},
        {"metrics": {"served": "x", "results": {"x": {"ndcg@10": None}}}, "dataset": {"days": "x"}},
    ],
)
def test_a_run_whose_json_is_not_as_we_write_it(
    operator: Client, broken: dict[str, object]
) -> None:
    run = adminshop.run(**{name: value for name, value in broken.items() if value is not None})
    adminshop.live(run)
    for path in ("", f"{run.pk}/change/", "over-time/", f"compare/{run.pk}/{adminshop.run().pk}/"):
        told(operator, f"/admin/reco/run/{path}")
    told(operator, "/admin/reco/")


def test_quality_over_time_is_drawn_and_told(operator: Client) -> None:
    for ndcg in (0.05, 0.06, 0.07):
        adminshop.run(metrics={"k": 10, "served": "x", "results": {"x": adminshop.report(ndcg)}})
    text = told(operator, "/admin/reco/run/over-time/")
    assert 'role="img"' in text
    assert text.count("<details>") == 4
    assert "0.07 (0.068" in text


def test_how_a_run_learnt_is_drawn(operator: Client) -> None:
    looks = [
        {"epoch": epoch, "ndcg@10": score} for epoch, score in ((3, 0.01), (6, 0.04), (9, 0.03))
    ]
    run = adminshop.run(metrics={"k": 10, "epochs": 6, "history": looks})
    text = told(operator, f"/admin/reco/run/{run.pk}/change/")
    assert "How it learnt" in text
    assert "Epoch 6 of 9 was the best; no more were learnt." in text
    assert "NDCG on the hold-out, by epoch" in text
    assert "last 0.03." in text


@pytest.mark.parametrize(
    "history", [None, "lost", [], [{"epoch": 3, "ndcg@10": 0.1}], [{"epoch": "x"}, 7]]
)
def test_without_looks_there_is_no_curve(operator: Client, history: object) -> None:
    run = adminshop.run(metrics={"k": 10, "epochs": 6, "history": history})
    assert "How it learnt" not in told(operator, f"/admin/reco/run/{run.pk}/change/")


def test_how_the_live_run_did_since_is_drawn(operator: Client) -> None:
    run = adminshop.run()
    adminshop.live(run)
    since = [
        {
            "at": f"2026-04-0{day}T06:00:00+00:00",
            "k": 10,
            "served": adminshop.report(0.08 + day / 100),
            "popularity": adminshop.report(0.05),
        }
        for day in (1, 2, 3)
    ]
    broken = [{"at": "2026-04-09"}, {"at": None}, 7, {"at": "2026-04-04T06:00:00+00:00", "k": 5}]
    type(run).objects.update(metrics={**run.metrics, "since": [*since, *broken]})
    for path in ("", "run/over-time/", f"run/{run.pk}/change/"):
        text = told(operator, f"/admin/reco/{path}")
        assert "NDCG on what happened since" in text, path
        assert "last 0.11." in text, path


def test_two_runs_side_by_side(operator: Client) -> None:
    one = adminshop.run()
    two = adminshop.run(config={"trainer": {"epochs": 9}, "seed": 0})
    text = told(operator, f"/admin/reco/run/compare/{one.pk}/{two.pk}/")
    differing = re.findall(r'<tr class="reco-differs">.*?</tr>', text, re.DOTALL)
    assert any("trainer / epochs" in row for row in differing)
    assert not any("seed" in row for row in differing)
    assert operator.get(f"/admin/reco/run/compare/{one.pk}/0/").status_code == 404


def test_the_action_leads_to_the_comparison(operator: Client) -> None:
    runs = [adminshop.run() for _ in range(3)]

    def ask(count: int) -> str:
        data = {"action": "compare", "_selected_action": [run.pk for run in runs[:count]]}
        return str(operator.post("/admin/reco/run/", data, follow=True).request["PATH_INFO"])

    assert ask(2) == f"/admin/reco/run/compare/{runs[0].pk}/{runs[1].pk}/"
    assert ask(3) == ask(1) == "/admin/reco/run/"


def test_the_overview_draws_what_was_shown_and_clicked(operator: Client) -> None:
    today = dt.datetime.now(dt.UTC).date()
    for ago in range(5):
        day = today - dt.timedelta(days=ago)
        for placement in ("home", "cart"):
            for rung in ("personal", "popular", "of old"):
                DailyTotal.objects.create(
                    day=day, name="impression", placement=placement, detail=rung, count=200
                )
        DailyTotal.objects.create(day=day, name="click", placement="home", count=30)
    adminshop.live(adminshop.run())
    text = told(operator, "/admin/reco/")
    for words in (
        "1,200", "30", "2.5 %", "5.0 %", "live since", "+20 %", "No job has run yet",
        "picked for the shopper", "33.3 %", "of old", "cart",
    ):  # fmt: skip
        assert words in text, words


def test_a_job_that_runs_says_how_far_it_is(operator: Client) -> None:
    now = timezone.now()
    Job.objects.create(
        name="sync_items", token=uuid.uuid4(), holder="worker-2:81", beat_at=now, started_at=now,
        stage="reading", done=25, total=100,
    )  # fmt: skip
    batch = uuid.uuid4()
    for number, token in enumerate((uuid.uuid4(), None, None)):
        Shard.objects.create(job="sync_items", batch=batch, number=number, token=token)
    Shard.objects.create(job="sync_items", batch=batch, number=9, done_at=now)
    text = told(operator, "/admin/reco/job/of/sync_items/")
    for words in ("reading", "25 / 100", 'value="0.2500"', "worker-2:81", "Shares of work left"):
        assert words in text, words
    assert re.search(r"Shares of work left</dt><dd>3<", text)
    assert re.search(r"being worked on</dt><dd>1<", text)
    assert "worker-2:81" in told(operator, "/admin/reco/job/")


def test_a_job_nobody_takes_is_said_so(operator: Client) -> None:
    Job.objects.create(name="train", requested_at=timezone.now() - dt.timedelta(minutes=20))
    assert "nobody has taken it" in told(operator, "/admin/reco/job/of/train/")


def test_looking_again_by_itself_is_asked_for(operator: Client) -> None:
    assert 'http-equiv="refresh"' not in told(operator, "/admin/reco/job/")
    for path in ("/admin/reco/job/", "/admin/reco/job/of/train/"):
        text = told(operator, f"{path}?refresh=1")
        assert '<meta http-equiv="refresh" content="10">' in text
        assert "Stop that" in text


def test_executions_over_time(operator: Client) -> None:
    now = timezone.now()
    for number, outcome in enumerate(("done", "failed", "timed_out", "taken_over", "strange")):
        JobLog.objects.create(
            name="train", attempt=number, outcome=outcome, error="Out of memory.",
            started_at=now - dt.timedelta(hours=number), finished_at=now, timings={"fit": 2},
        )  # fmt: skip
    text = told(operator, "/admin/reco/job/of/train/")
    assert text.count("/admin/reco/joblog/") >= 5
    assert "✗" in text
    for name in ("", "?name=train", "?name=other", "?outcome__exact=failed"):
        told(operator, f"/admin/reco/joblog/{name}")
    log = JobLog.objects.get(outcome="failed")
    text = told(operator, f"/admin/reco/joblog/{log.pk}/change/")
    for words in ("Out of memory.", "fit", "1 h", "2 s"):
        assert words in text, words


def test_the_overview_says_which_job_fails(operator: Client) -> None:
    Job.objects.create(name="train", failures=2, error="Out of memory.")
    assert "Failing: Train." in told(operator, "/admin/reco/")


def test_switched_off_is_said(operator: Client) -> None:
    with override_settings(RECO_ENABLED=False):
        assert "Switched off." in told(operator, "/admin/reco/")
        assert "Switched off." in told(operator, "/admin/reco/job/")


def test_what_was_left_out_and_why(operator: Client) -> None:
    Dropped.objects.create(reason="bot", count=40)
    Dropped.objects.create(reason="bot", count=1_000)
    Dropped.objects.create(reason=MARKUP, count=2)
    text = told(operator, "/admin/reco/interaction/dropped/")
    assert "1,040" in text
    assert MARKUP not in text


def test_settings_in_force(operator: Client) -> None:
    with override_settings(RECO_LIMIT=11):
        text = told(operator, "/admin/reco/job/settings/")
    assert text.index("RECO_LIMIT") < text.index("As they come") < text.index("RECO_HISTORY")


def test_the_doctor_looks_only_when_asked(rights: Rights, monkeypatch: pytest.MonkeyPatch) -> None:
    from reco_plugin import doctor

    asked: list[bool] = []

    def probes(site: int, *, fast: bool = False) -> list[doctor.Finding]:
        asked.append(fast)
        return [doctor.Finding(name="database.version", level="error", words=MARKUP, hint="Do so")]

    monkeypatch.setattr(doctor, "probes", probes)
    path = "/admin/reco/job/readiness/"
    client = rights.operator("reco.view_job")
    told(client, path)
    assert asked == []
    text = client.post(path).content.decode()
    assert asked == [True]
    assert "Do so" in text
    assert MARKUP not in text
    assert client.post(path, {"slow": "1"}).status_code == 403
    assert asked == [True]
    rights.operator("reco.view_job", "reco.start_job").post(path, {"slow": "1"})
    assert asked == [True, False]


def test_the_doctor_s_own_probes_are_shown(operator: Client) -> None:
    text = operator.post("/admin/reco/job/readiness/").content.decode()
    assert text.count('<li class="reco-finding-') >= 3


# --- several shops -------------------------------------------------------------------------------


def test_one_shop_at_a_time(operator: Client) -> None:
    ours, theirs = adminshop.run(trainer="ours"), adminshop.run(site=2, trainer="theirs")
    adminshop.live(ours)
    adminshop.live(theirs)
    first, second = (told(operator, f"/admin/reco/run/{query}") for query in ("", "?site=2"))
    assert f"/run/{theirs.pk}/change/" not in first
    assert f"/run/{theirs.pk}/change/" in second
    assert f"/run/{ours.pk}/change/" not in second
    assert "?site=2" in told(operator, "/admin/reco/?site=2")
    text = told(operator, "/admin/reco/job/?site=2")
    assert "/admin/reco/job/of/train/?site=2" in text
    assert 'aria-current="true"' in text


@pytest.mark.parametrize(
    "site", ["x", "-1", "0", "99999999999999999999", "0" * 11 + "199999999999", "²", "1.5"]
)
def test_a_site_that_is_no_number_is_ours(operator: Client, site: str) -> None:
    adminshop.run()
    told(operator, f"/admin/reco/run/?site={site}")
    told(operator, f"/admin/reco/job/?site={site}")
    assert chosen(RequestFactory().get("/", {"site": site})) == 1


# --- markup from the shop ------------------------------------------------------------------------


def test_markup_in_what_the_shop_says_stays_text(operator: Client) -> None:
    product = adminshop.product(MARKUP, brand=MARKUP, attributes={"x": MARKUP}, tags=[MARKUP])
    adminshop.event(product)
    adminshop.event(None, query=MARKUP, order=MARKUP[:60])
    run = adminshop.run(
        error=MARKUP, config={MARKUP: MARKUP}, timings={MARKUP: 1.0}, trainer=MARKUP
    )
    Job.objects.create(name="train", error=MARKUP, failures=1, holder=MARKUP, stage=MARKUP)
    now = timezone.now()
    log = JobLog.objects.create(
        name="train", attempt=1, outcome="failed", error=MARKUP, report={MARKUP: MARKUP},
        started_at=now, finished_at=now, holder=MARKUP,
    )  # fmt: skip
    event = Interaction.objects.exclude(query="").get()
    for path in (
        *PAGES,
        f"/admin/reco/run/{run.pk}/change/",
        f"/admin/reco/run/compare/{run.pk}/{adminshop.run().pk}/",
        f"/admin/reco/joblog/{log.pk}/change/",
        f"/admin/reco/item/{product.pk}/change/",
        f"/admin/reco/interaction/{event.pk}/change/",
    ):
        text = told(operator, path)
        assert "<script>alert" not in text, path
        assert "<b>Boots" not in text, path


# --- what they cost ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/admin/reco/", 16),
        ("/admin/reco/run/", 8),
        ("/admin/reco/run/over-time/", 6),
        ("/admin/reco/run/tuning/", 6),
        ("/admin/reco/job/", 6),
        ("/admin/reco/job/of/train/", 7),
        ("/admin/reco/joblog/", 8),
        ("/admin/reco/interaction/", 14),
        ("/admin/reco/item/", 8),
    ],
)
def test_the_statements_of_a_page_do_not_grow_with_its_rows(
    rights: Rights, django_assert_max_num_queries: object, path: str, most: int
) -> None:
    client = rights.operator(*VIEW, "testapp.view_customer")
    user = get_user_model().objects.create_user("someone@example.com")
    now = timezone.now()
    for number in range(12):
        product = adminshop.product(f"Boots {number}")
        adminshop.event(product, user_id=user.pk)
        adminshop.run()
        JobLog.objects.create(
            name="train", attempt=number, outcome="done", started_at=now, finished_at=now
        )
    with django_assert_max_num_queries(most):  # type: ignore[operator]
        told(client, path)


def test_a_run_in_full_is_read_in_one_statement(
    rights: Rights, django_assert_max_num_queries: object
) -> None:
    client = rights.operator(*VIEW)
    run = adminshop.run()
    adminshop.live(run)
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        told(client, f"/admin/reco/run/{run.pk}/change/")  # session, user, run, what is live


def test_a_run_of_another_shop_can_still_be_opened(operator: Client) -> None:
    told(operator, f"/admin/reco/run/{adminshop.run(site=2).pk}/change/")


def test_what_is_not_there_is_said_so(operator: Client) -> None:
    for path in ("run/999", "joblog/999", "interaction/999", f"item/{uuid.uuid4()}", "job/999"):
        response = operator.get(f"/admin/reco/{path}/change/")
        assert response.status_code == 302, path
    assert operator.get("/admin/reco/job/of/nothing/").status_code == 404


def test_items_are_found_by_key_and_by_title(operator: Client) -> None:
    one, two = adminshop.product("Winter boots"), adminshop.product("Lamp")
    for sought, found, other in (("boots", one, two), (str(two.pk), two, one)):
        text = told(operator, f"/admin/reco/item/?q={sought}")
        assert f"/item/{found.pk}/change/" in text
        assert f"/item/{other.pk}/change/" not in text
    text = told(operator, f"/admin/reco/item/{one.pk}/change/")
    assert "All &gt; Boots" in text
    assert f"/admin/reco/interaction/?q=product%3A{one.pk}" in text
    assert Item.objects.count() == 2


# --- an admin site of the shop's own -------------------------------------------------------------


@pytest.mark.urls("adminsite")
def test_an_admin_site_of_the_shop_s_own(operator: Client) -> None:
    run = adminshop.run()
    adminshop.live(run)
    adminshop.event(adminshop.product())
    for path in (*PAGES, f"/admin/reco/run/{run.pk}/change/"):
        text = told(operator, path.replace("/admin/", "/back-office/"))
        assert "/back-office/reco/run/" in text, path
        assert 'href="/admin/' not in text, path
    assert "Live now" in told(operator, "/back-office/reco/")


# --- other languages, other clocks ---------------------------------------------------------------


def shop_of_all_sorts() -> list[str]:
    """Rows of every kind; the paths of their pages."""
    run, product = adminshop.run(pk=1_234_567), adminshop.product()
    adminshop.live(run)
    event = adminshop.event(product, price=1234.5, pk=7_654_321)
    now = timezone.now()
    Job.objects.create(name="train", requested_at=now - dt.timedelta(minutes=20), failures=1)
    Job.objects.create(name="popular", token=uuid.uuid4(), beat_at=now, started_at=now)
    log = JobLog.objects.create(
        name="train", attempt=1, outcome="done", started_at=now, finished_at=now
    )
    Dropped.objects.create(reason="bot", count=40)
    DailyTotal.objects.create(day=now.date(), name="impression", count=1_200)
    return [
        *PAGES,
        f"/admin/reco/run/{run.pk}/change/",
        f"/admin/reco/joblog/{log.pk}/change/",
        f"/admin/reco/item/{product.pk}/change/",
        f"/admin/reco/interaction/{event.pk}/change/",
        f"/admin/reco/run/compare/{run.pk}/{adminshop.run().pk}/",
    ]


@override_settings(LANGUAGE_CODE="de", USE_THOUSAND_SEPARATOR=True)
def test_numbers_are_written_as_the_operator_writes_them_and_links_as_ever(
    rights: Rights,
) -> None:
    client = rights.operator(*VIEW, "reco.activate_run")
    texts = {path: told(client, path) for path in shop_of_all_sorts()}
    for path, text in texts.items():
        for link in re.findall(r'href="([^"?]*/reco/[^"?]*)', text):
            assert "." not in link, (path, link)
    assert "12.345" in texts["/admin/reco/run/"]
    assert "0,0600" in texts["/admin/reco/run/"]
    question = told(client, f"/admin/reco/run/{adminshop.run().pk}/activate/")
    assert 'name="live" value="1234567"' in question


def test_times_are_those_of_the_operator_s_zone(operator: Client) -> None:
    run = adminshop.run()
    type(run).objects.update(created_at=dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC))
    with override_settings(TIME_ZONE="Asia/Tokyo"):
        assert "07/02/2026 7:30 a.m." in told(operator, "/admin/reco/run/")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="as the rest of us, on PostgreSQL")
@override_settings(USE_TZ=False)
def test_a_shop_without_time_zones(rights: Rights) -> None:
    client = rights.operator(*VIEW, "testapp.view_customer")
    for path in shop_of_all_sorts():
        told(client, path)
    told(client, "/admin/reco/interaction/?days=7&before=2030-01-01T00:00:00")


def test_r12_why_a_run_was_rejected_is_said_and_the_live_one_stays(operator: Client) -> None:
    good = adminshop.run()
    adminshop.live(good)
    gates = [
        {"name": "finite", "passed": True, "words": "all numbers are finite"},
        {"name": "spread", "passed": False, "words": "every product scores the same"},
    ]
    bad = adminshop.run(status=RunStatus.REJECTED, gates=gates)
    assert "every product scores the same" in told(operator, "/admin/reco/run/")
    text = told(operator, f"/admin/reco/run/{bad.pk}/change/")
    assert "It was not published." in text
    assert text.index("every product scores the same") < text.index("all numbers are finite")
    assert f"Run {good.pk}" in told(operator, "/admin/reco/")
