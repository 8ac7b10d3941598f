"""Every trainer and source side by side on the shop's own log."""

from __future__ import annotations

import datetime as dt
import json
import sys
from io import StringIO
from typing import Any

import pytest
from adminshop import VIEW, Rights
from django.core.management import CommandError, call_command
from django.urls import reverse
from jobs_shop import FAST, event, history, products
from testapp.models import Customer, Product, StockRecord

from reco_plugin import clock
from reco_plugin.evaluation import entrants, process
from reco_plugin.evaluation.measuring import answers
from reco_plugin.evaluation.protocols import protocols
from reco_plugin.jobs import compare, comparison_devices, comparison_log, comparison_slices
from reco_plugin.jobs.compare import Options
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import ActiveRun, Interaction, Item, Run, RunStatus
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def place(settings, tmp_path, monkeypatch) -> None:
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_STORE = "numpy"
    settings.RECO_TRAINER_CONFIG = FAST

    def here(name: str, question: Any, place: Any, **told: Any) -> Any:
        return answers(entrants.model(name, question), question)

    monkeypatch.setattr(process, "answers", here)  # a process of its own has a test of its own


@pytest.fixture
def catalogue() -> list[Product]:
    made = products(12)
    StockRecord.objects.bulk_create([StockRecord(product=one, count=5) for one in made])
    sync_items()
    return made


def compared(**options: Any) -> Run:
    given = {"models": ("chance", "popularity", "sequential"), "peers": False, "threads": 1}
    return compare.compare(1, **{**given, **options})


def shop(protocol: str = "time") -> tuple[comparison_log.Shop, comparison_log.Told]:
    found = comparison_log.read(1)
    return found, comparison_log.told(found, protocols(0)[protocol])


def test_what_knows_tastes_leads_and_the_floors_are_beneath_it(catalogue):
    history(catalogue)
    run = compared()
    assert run.status == RunStatus.PUBLISHED, run.error or run.gates
    lines = {line["name"]: line for line in run.metrics["models"]}
    assert next(iter(lines)) == "sequential"
    assert lines["sequential"]["recall@10"] > 1.5 * lines["chance"]["recall@10"]
    assert lines["chance"]["auc"] == pytest.approx(0.5, abs=0.08)
    assert {line["sort"] for line in lines.values()} == {"floor", "single"}
    assert json.dumps(run.metrics)


def test_a_shop_without_a_log_is_told_why(catalogue):
    run = compared()
    assert run.status == RunStatus.REJECTED
    assert "no shopper has more than one event" in run.metrics["cannot"]
    assert run.gates[0]["words"] == run.metrics["cannot"]
    assert not run.error


def test_a_name_there_is_not_is_refused(catalogue):
    with pytest.raises(ValueError, match="no model 'magic'"):
        compared(models=("magic",))
    with pytest.raises(ValueError, match="no protocol"):
        compared(protocol="luck")
    for name in ("k", "limit_shoppers"):
        with pytest.raises(ValueError, match=f"{name} is -3; give 0 or more"):
            compared(**{name: -3})


def test_one_that_breaks_is_told_of_and_stops_nobody(catalogue, monkeypatch):
    history(catalogue)

    def broken(name: str, question: Any, place: Any, **told: Any) -> Any:
        if name == "sequential":
            raise ValueError("it cannot learn from this")
        return answers(entrants.model(name, question), question)

    monkeypatch.setattr(process, "answers", broken)
    run = compared()
    assert run.metrics["failed"] == {"sequential": "it cannot learn from this"}
    assert {line["name"] for line in run.metrics["models"]} == {"chance", "popularity"}


def test_the_time_split_is_seven_to_one_to_two(catalogue):
    history(catalogue)
    _, told = shop()
    protocol = protocols(0)["time"]
    fold = protocol.cut(told.log.past)
    inner = protocol.inner(fold.train)
    whole = len(told.log.past.items)
    assert len(fold.train.items) / whole == pytest.approx(0.8, abs=0.01)
    assert len(inner.train.items) / whole == pytest.approx(0.7, abs=0.01)
    assert fold.train.at.max() < fold.requests.now[0]


def test_nothing_is_learnt_that_the_cut_hides(catalogue):
    history(catalogue)
    for name in ("time", "leave-last-out", "next-in-visit"):
        found, told = shop(name)
        asked = comparison_log.cut(found, told, protocols(0)[name])
        assert len(asked.known) == len(asked.fold.train.items)
        if name == "time":
            assert asked.known.at.max() < asked.fold.requests.now.min()


def test_what_cannot_be_bought_any_more_is_no_candidate(catalogue):
    history(catalogue)
    gone = catalogue[:8]
    StockRecord.objects.filter(product__in=gone).update(count=0)
    found, told = shop()
    asked = comparison_log.cut(found, told, protocols(0)["time"])
    keys = found.log.items.to_python()
    eligible = {
        key for key, is_there in zip(keys, asked.fold.requests.eligible, strict=True) if is_there
    }
    assert not eligible & {one.pk for one in gone}
    assert asked.lost["cannot be bought any more"] > 0
    assert told.log.gone == len(gone)


def test_items_first_sold_after_the_cut_are_never_recommended_from_the_past(catalogue):
    people = history(catalogue)
    late = Product.objects.create(label="Late", maker="Maker 1", cents=500)
    StockRecord.objects.create(product=late, count=5)
    sync_items()
    Item.objects.update(available_since=None)
    now = clock.now()
    Interaction.objects.bulk_create(
        event(late, person, occurred_at=now - dt.timedelta(minutes=number))
        for number, person in enumerate(people)
    )
    found, told = shop()
    asked = comparison_log.cut(found, told, protocols(0)["time"])
    row = found.log.items.row(late.pk)
    assert not asked.fold.requests.eligible[row]
    assert asked.lost["first sold after the cut"] >= 50
    run = compared(models=("chance", "popularity", "content"))
    assert not run.metrics["failed"]
    assert any("first sold after the cut" in line for line in run.metrics["statement"])


def test_a_model_asked_for_by_name_says_what_must_be_installed(catalogue, monkeypatch):
    history(catalogue)
    monkeypatch.setitem(sys.modules, "torch", None)
    run = compared(models=("chance", "sasrec"))
    assert "django-reco-plugin[deep]" in run.metrics["failed"]["sasrec"]
    assert {line["name"] for line in run.metrics["models"]} == {"chance", "popularity"}


def test_what_a_shopper_dismissed_is_neither_shown_nor_looked_for(catalogue):
    people = history(catalogue)
    early = clock.now() - dt.timedelta(days=39)
    turned = {person: catalogue[number % len(catalogue)] for number, person in enumerate(people)}
    Interaction.objects.bulk_create(
        event(product, person, kind=EventKind.DISMISS_ITEM, occurred_at=early)
        for person, product in turned.items()
    )
    found, told = shop()
    asked = comparison_log.cut(found, told, protocols(0)["time"])
    barred = asked.fold.requests.barred()
    for row, owner in enumerate(asked.owner.tolist()):
        product = turned[found.log.shoppers.key(owner)]
        assert barred[row, found.log.items.row(product.pk)]


def test_slices_by_shopper_product_category_and_any_field_of_the_user(catalogue):
    people = history(catalogue, shoppers=100)
    users = [
        Customer.objects.create(email=f"{place}{n}@example.org") for n, place in enumerate("ab")
    ]
    for number, person in enumerate(people):
        Interaction.objects.filter(shopper=person).update(user_id=users[number % 2].pk)
    run = compared(by=("email",))
    told = {
        (one["by"], one["name"]): one
        for one in run.metrics["slices"]
        if one["model"] == "popularity"
    }
    assert {by for by, _ in told} == {"shopper", "product", "category", "email"}
    assert (
        told["email", "a0@example.org"]["n"] + told["email", "b1@example.org"]["n"]
        == run.metrics["requests"]
    )
    small = [one for one in told.values() if "words" in one]
    assert small
    assert all(one["n"] is None and "recall" not in one for one in small)
    big = told["email", "a0@example.org"]["recall"]
    assert big["low"] <= big["mean"] <= big["high"]


def test_a_field_there_is_not_is_named_before_anything_is_fitted(catalogue, monkeypatch):
    history(catalogue)
    monkeypatch.setattr(process, "answers", None)
    run = compared(by=("shoe_size",))
    assert run.status == RunStatus.FAILED
    assert "shoe_size" in run.error


def of_devices(run: Run) -> dict[str, dict[str, Any]]:
    told = run.metrics["slices"]
    return {
        one["name"]: one for one in told if (one["by"], one["model"]) == ("device", "popularity")
    }


def test_slices_by_device_wherever_events_say_it(catalogue, monkeypatch):
    people = history(catalogue, shoppers=100)
    for number, person in enumerate(people[:90]):
        device = "mobile" if number % 3 else "desktop"
        Interaction.objects.filter(shopper=person).update(device=device)
    run = compared(models=("popularity",), by=("device",))
    told = of_devices(run)
    assert set(told) == {"mobile", "desktop"}
    assert told["mobile"]["n"] > told["desktop"]["n"] >= 25
    assert 0.8 < sum(one["n"] for one in told.values()) / run.metrics["requests"] < 1
    assert not any("device" in line for line in run.metrics["statement"])
    assert of_devices(compared(models=("popularity",))) == told
    client = Rights.in_force(monkeypatch).operator(*VIEW)
    page = client.get(reverse("admin:reco_run_comparison")).content.decode()
    assert "device: mobile" in page
    out = StringIO()
    monkeypatch.setattr(compare, "served", lambda site: "popularity")
    call_command("reco_evaluate", "--protocol", "time", "--by", "device", stdout=out)
    assert "device: desktop" in out.getvalue()


def test_where_no_event_says_its_device_that_is_said(catalogue):
    history(catalogue)
    run = compared(models=("popularity",), by=("device",))
    assert not of_devices(run)
    assert any("Not sliced by device" in line for line in run.metrics["statement"])


def test_a_request_has_the_device_in_hand_by_then_or_else_the_first_after(catalogue):
    people = history(catalogue)
    found, told = shop()
    asked = comparison_log.cut(found, told, protocols(0)["time"])
    cut_at = int(asked.fold.requests.now[0])
    moment = dt.datetime.fromtimestamp(cut_at / 1_000_000, dt.UTC)
    hour = dt.timedelta(hours=1)
    for person, devices in zip(
        people,
        [("mobile", "desktop", "tablet"), ("", "", "tablet"), ("mobile", "", ""), ("", "", "")],
        strict=False,
    ):
        for at, device in zip((-2 * hour, -hour, hour), devices, strict=True):
            event(catalogue[0], person, occurred_at=moment + at, device=device).save()
    known = comparison_devices.devices(found, asked)
    by_shopper = {
        found.log.shoppers.key(int(owner)): device
        for owner, device in zip(asked.owner, known, strict=True)
    }
    expected = dict(zip(people, ("desktop", "tablet", "mobile", ""), strict=False))
    assert {person: by_shopper[person] for person in expected} == expected


def test_a_page_that_cannot_be_written_is_told_before_anything_is_fitted(tmp_path):
    for file in (tmp_path, tmp_path / "nowhere" / "page.html"):
        with pytest.raises(CommandError, match="Nothing was compared"):
            call_command("reco_compare", "--html", str(file))
    assert not Run.objects.exists()


def test_the_command_tells_writes_and_ends(catalogue, tmp_path):
    history(catalogue)
    page, out = tmp_path / "page.html", StringIO()
    told = ("--models", "chance,sequential", "--no-peers", "--threads", "1")
    call_command("reco_compare", *told, "--html", str(page), stdout=out)
    assert "sequential" in out.getvalue()
    assert "NDCG@10" in out.getvalue()
    text = page.read_text()
    assert text.count("<svg") == text.count("<details>") == 3
    assert "never a sample" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    out = StringIO()
    call_command("reco_compare", *told, "--json", stdout=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {line["name"] for line in lines} == {"chance", "popularity", "sequential"}
    assert all("ratio" in line for line in lines)


def test_a_dry_run_says_what_can_be_measured_and_why_not(catalogue):
    history(catalogue)
    out = StringIO()
    call_command("reco_compare", "--dry-run", stdout=out)
    assert "✓ time" in out.getvalue()
    assert not Run.objects.filter(kind="comparison").exists()
    Interaction.objects.all().delete()
    with pytest.raises(SystemExit) as ended:
        call_command("reco_compare", "--dry-run", stdout=out)
    assert ended.value.code == 3


def test_future_dates_are_left_out_and_said(catalogue):
    people = history(catalogue)
    late = clock.now() + dt.timedelta(days=400)
    event(catalogue[0], people[0], occurred_at=late).save()
    told = next(one for one in compare.preview(1) if one["protocol"] == "time")
    assert told["can"]
    assert any("1 in the future" in line for line in told["words"])


def test_an_empty_log_ends_with_three(catalogue):
    with pytest.raises(SystemExit) as ended:
        call_command("reco_compare", "--models", "popularity", stdout=StringIO())
    assert ended.value.code == 3


def test_a_comparison_is_never_made_live(catalogue):
    from reco_plugin.exceptions import NotPublished
    from reco_plugin.jobs.publish import activate

    history(catalogue)
    run = compared(models=("chance",))
    with pytest.raises(NotPublished, match="record"):
        activate(run)


def test_categories_are_those_of_the_top(catalogue):
    found = comparison_log.read(1)
    matrix = comparison_slices.categories(found.material.features)
    assert matrix is not None
    assert set(matrix.data) == {1.0}


def test_options_there_are_not_are_refused():
    with pytest.raises(TypeError):
        Options.of({"magic": 1})


def test_evaluating_by_a_protocol_tells_every_figure_and_slice(catalogue, monkeypatch):
    history(catalogue)
    monkeypatch.setattr(compare, "served", lambda site: "sequential")
    out = StringIO()
    call_command("reco_evaluate", "--protocol", "leave-last-out", stdout=out)
    for words in ("MAP@10", "calibration", "AUC", "wanted the long tail", "light (the lower half)"):
        assert words in out.getvalue()
    out = StringIO()
    call_command("reco_evaluate", "--protocol", "time", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["protocol"] == "time"
    assert {one["model"] for one in told["slices"]} == {"sequential", "popularity"}


def test_what_is_served_is_the_blend_where_one_is_live(catalogue):
    assert compare.served(1) == "personal"
    for kind in ("personal", "blend"):
        run = Run.objects.create(kind=kind, trainer="t", status=RunStatus.PUBLISHED)
        ActiveRun.objects.create(kind=kind, run=run)
    assert compare.served(1) == "personal+blend"
    assert compare._live(1) == {"personal+blend"}


def test_the_personal_run_as_it_is_trained_and_served(catalogue):
    pytest.importorskip("lightfm")
    history(catalogue)
    run = compared(models=("lightfm", "personal", "personal+blend"))
    assert run.metrics["failed"] == {}
    lines = {line["name"]: line for line in run.metrics["models"]}
    assert lines["lightfm"]["recall@10"] > 1.3 * lines["popularity"]["recall@10"]
    for name in ("personal", "personal+blend"):
        assert lines[name]["sort"] == "pipeline"
        assert lines[name]["recall@10"] > lines["popularity"]["recall@10"]
