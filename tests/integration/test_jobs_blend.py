"""The learnt blend: from the log to what 'recommended for you' is ranked by."""

from __future__ import annotations

import datetime as dt
import sys
import uuid
from copy import deepcopy
from io import StringIO

import numpy as np
import pytest
from adminshop import VIEW, Rights
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from jobs_shop import event, products
from testapp.models import Product, StockRecord

from reco_plugin import conf
from reco_plugin.admin import blend_facts
from reco_plugin.doctor import blend as doctor_of_blend
from reco_plugin.exceptions import NotPublished
from reco_plugin.jobs import blend as job
from reco_plugin.jobs import blend_material, decisions
from reco_plugin.jobs.behaviour import behaviour
from reco_plugin.jobs.blend import blend
from reco_plugin.jobs.blend_trial import Then
from reco_plugin.jobs.popular import popular
from reco_plugin.jobs.publish import active_run, rollback
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import ActiveRun, Interaction, Item, RankedList, Related, Run, RunStatus
from reco_plugin.pipeline import Reader, blending
from reco_plugin.ranking import contest, served
from reco_plugin.retrieval.base import Blended
from reco_plugin.serving import plan, pointers, recommend
from reco_plugin.serving.keys import key_of
from reco_plugin.testing.wholeness import half_published, left_undone
from reco_plugin.types import EventKind, Rung, Shopper

pytestmark = pytest.mark.django_db
HABIT = 12


@pytest.fixture(autouse=True)
def small(settings, tmp_path, monkeypatch):
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAIN_THREADS = 1
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_STORE = "numpy"
    settings.RECO_RANKER = "linear"
    blending.forget()


@pytest.fixture
def learnt(monkeypatch):
    """Learn in this process, and show what was learnt."""
    kept = []

    def run(whole, moment, *, features, worth, settings, **_):
        kept.append(served.learn(whole, moment, features=features, worth=worth, settings=settings))
        return kept[-1]

    monkeypatch.setattr(job.process, "run", run)
    return kept


def habits(made: list[Product], *, shoppers: int = 90, steps: int = 6) -> list[uuid.UUID]:
    """Everyone walks through a shelf in order, a step every few days: nothing of it is one visit."""
    random = np.random.default_rng(7)
    now, rows = timezone.now(), []
    people = [uuid.UUID(int=number + 1) for number in range(shoppers)]
    for number, shopper in enumerate(people):
        shelf, begin = number % 5 * HABIT, int(random.integers(HABIT))
        days = np.sort(random.random(steps))[::-1] * 60
        for turn, ago in enumerate(days.tolist()):
            product = made[shelf + (begin + turn) % HABIT]
            rows.append(event(product, shopper, occurred_at=now - dt.timedelta(days=ago)))
    Interaction.objects.bulk_create(rows)
    return people


@pytest.fixture
def shop() -> list[Product]:
    made = products(HABIT)
    StockRecord.objects.bulk_create(StockRecord(product=each, count=5) for each in made)
    sync_items()
    return made


def reader(run) -> Reader:
    return Reader(
        stores={},
        runs={"blend": pointers._live(run)},
        to_key=lambda value: key_of(Product, value),
        using=conf.settings.DATABASE,
    )


def test_what_is_learnt_is_judged_published_and_made_live(shop, learnt):
    habits(shop)
    run = blend()
    assert run.status == RunStatus.PUBLISHED, (run.error, run.gates)
    assert active_run(1, "blend") == run
    results = run.metrics["results"]
    assert results["blend"]["ndcg@10"]["mean"] > 1.2 * results["weights"]["ndcg@10"]["mean"]
    assert all(gate["passed"] is not False for gate in run.gates)
    assert {gate["name"] for gate in run.gates} >= {"blend", "popularity", "coverage"}
    assert Related.objects.filter(run=run).count() == run.dataset["lists"] > 30
    assert RankedList.objects.get(run=run).keys
    assert not [*half_published(1), *left_undone(1)]


def test_a_page_ranks_as_the_evaluation_did(shop, learnt):
    habits(shop)
    run = blend()
    final = learnt[0].final
    places = {key: row for row, key in enumerate(sorted(one.pk for one in shop))}
    then, asked = Then(blend=final), reader(run)
    random = np.random.default_rng(1)
    for _ in range(20):
        keys = tuple(shop[at].pk for at in random.choice(len(shop), 5, replace=False))
        steps = (0, 0, 1, 2, 3)
        (found,) = asked.answer([Blended(keys=keys, steps=steps, k=10)]).values()
        rows = Blended(keys=tuple(places[key] for key in keys), steps=steps, k=10)
        (known,) = then.answer([rows]).values()
        assert [places[one.key] for one in found] == [one.key for one in known]
        assert [one.score for one in found] == pytest.approx([one.score for one in known], abs=1e-4)
        beside = [None if one.beside is None else places[one.beside] for one in found]
        assert beside == [one.beside for one in known]


def some_lists(shop, run) -> list:
    asked = reader(run)
    random = np.random.default_rng(1)
    found = []
    for _ in range(20):
        keys = tuple(shop[at].pk for at in random.choice(len(shop), 5, replace=False))
        found.append(asked.answer([Blended(keys=keys, steps=(0, 0, 1, 2, 3), k=10)]))
    return [[(one.key, one.beside) for one in each] for answer in found for each in answer.values()]


def test_trees_on_a_page_in_the_admin_and_damaged(shop, learnt, settings, monkeypatch, caplog):
    pytest.importorskip("lightgbm")
    monkeypatch.setattr(contest, "FEWEST", 20)  # however little there is to learn from
    settings.RECO_RANKER = "lambdamart"
    habits(shop)
    run = blend()
    assert run.status == RunStatus.PUBLISHED, (run.error, run.gates)
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # a page needs it not
    a_page_ranks_by_trees(shop, learnt[0].final, run)
    the_admin_tells_of_trees(run, monkeypatch)
    damaged_they_leave_the_linear_ranker(shop, run, caplog)


def a_page_ranks_by_trees(shop, final, run) -> None:
    """As the evaluation did."""
    assert final.recipe.trees is not None
    places = {key: row for row, key in enumerate(sorted(one.pk for one in shop))}
    random = np.random.default_rng(1)
    for answered in some_lists(shop, run):
        keys = tuple(places[shop[at].pk] for at in random.choice(len(shop), 5, replace=False))
        lookup = Blended(keys=keys, steps=(0, 0, 1, 2, 3), k=10)
        (known,) = Then(blend=final).answer([lookup]).values()
        assert [places[key] for key, _ in answered] == [one.key for one in known]


def the_admin_tells_of_trees(run, monkeypatch) -> None:
    operator = Rights.in_force(monkeypatch).operator(*VIEW)
    page = operator.get(reverse("admin:reco_run_change", args=[run.pk])).content.decode()
    for words in ("LambdaMART serves", "What the trees go by", "What the sources say in all"):
        assert words in page
    assert run.config["recipe"]["trees"]["leaves"] not in page
    assert any("LambdaMART: NDCG@10" in note for note in run.metrics["notes"])


def damaged_they_leave_the_linear_ranker(shop, run, caplog) -> None:
    linear, damaged = deepcopy(run), deepcopy(run)
    del linear.config["recipe"]["trees"]
    damaged.config["recipe"]["trees"]["leaves"] = "AAAA"
    asked = some_lists(shop, run)
    blending.forget()
    found = some_lists(shop, linear)
    blending.forget()
    caplog.clear()
    assert some_lists(shop, damaged) == found != asked
    (line,) = [record.getMessage() for record in caplog.records]
    assert "pages go by its linear ranker" in line
    assert "reco_train --kind blend" in line
    Run.objects.filter(pk=damaged.pk).update(config=damaged.config)
    *_, finding = doctor_of_blend.ranker(1)
    assert (finding.level, finding.hint) == ("warning", "python manage.py reco_train --kind blend")
    assert "linear ranker" in finding.words


def test_a_blend_that_cannot_be_read_leaves_pages_to_fixed_weights(shop, learnt, caplog):
    habits(shop)
    run, someone = blend(), Shopper(id=uuid.UUID(int=3))
    bought_one_after_the_other(shop, someone)
    Run.objects.filter(pk=run.pk).update(config={**run.config, "recipe": {"members": ["ease"]}})
    pointers.forget()
    blending.forget()
    for _ in range(2):
        slate = recommend("personal", shopper=someone, limit=4, record=False)
        assert slate.rung is Rung.PERSONAL, slate.notes
    (line,) = [one.getMessage() for one in caplog.records if one.name == blending.__name__]
    assert f"Blend run {run.pk}" in line
    (finding,) = doctor_of_blend.ranker(1)
    assert finding.level == "warning"
    assert "fixed weights" in finding.words


def test_a_list_that_cannot_be_read_is_passed_over(shop, learnt, caplog):
    habits(shop)
    run = blend()
    broken, *others = shop[2:5]
    Related.objects.filter(run=run, product=broken).update(facts={"votes": "no"})
    keys = tuple(one.pk for one in (broken, *others))
    asked = reader(run)
    for _ in range(2):
        (found,) = asked.answer([Blended(keys=keys, steps=(0, 1, 2), k=10)]).values()
    assert len(found) == 10
    assert broken.pk not in {one.beside for one in found}
    (line,) = [record.getMessage() for record in caplog.records]
    assert "a list cannot be read" in line


def test_all_is_well_with_what_can_be_read(shop, learnt, settings, monkeypatch):
    assert not list(doctor_of_blend.ranker(1))
    habits(shop)
    blend()
    assert [one.level for one in doctor_of_blend.ranker(1)] == ["ok"]
    settings.RECO_RANKER = "lambdamart"
    monkeypatch.setattr(doctor_of_blend, "find_spec", lambda name: None)
    assert [one.level for one in doctor_of_blend.ranker(1)] == ["warning", "ok"]


def test_all_it_looks_up_is_one_statement(shop, learnt):
    habits(shop)
    asked = reader(blend())
    lookup = Blended(keys=tuple(one.pk for one in shop[:12]), steps=tuple(range(12)), k=10)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        first = asked.answer([lookup])[lookup]
        assert asked.answer([lookup])[lookup] == first
    assert len(queries) == 1
    assert len(first) == 10
    assert not {one.key for one in first} & set(lookup.keys)


def test_the_page_shows_the_next_of_the_shelf_and_says_truly_why(shop, learnt):
    habits(shop)
    blend()
    someone = Shopper(id=uuid.UUID(int=5_000))
    now = timezone.now()
    for turn in (2, 3):
        at = now - dt.timedelta(days=3 - turn / 2)
        event(shop[turn], someone.id, occurred_at=at).save()
    slate = recommend("personal", shopper=someone, limit=4, record=False)
    assert slate, slate.notes
    assert slate.items[0].key == shop[4].pk
    assert slate.items[0].reason == f"because_viewed:{shop[3].pk}"
    assert slate.rung is Rung.PERSONAL


def test_switched_off_it_is_asked_no_more(shop, learnt, settings):
    habits(shop)
    run = blend()
    assert reader(run).blend is not None
    settings.RECO_BLEND = False
    assert reader(run).blend is None
    assert execute("blend", 1, only_if_due=True).skipped


def test_lists_of_rarer_pairs_than_may_be_shown_now_are_not_asked(shop, learnt, settings):
    habits(shop)
    run = blend()
    settings.RECO_MIN_PAIR_SHOPPERS = 4
    assert reader(run).blend is None


def test_one_that_is_no_better_is_refused_and_what_was_live_stays(shop, learnt):
    habits(shop)
    first = blend()
    by_chance(shop)
    run = blend()
    assert run.status == RunStatus.REJECTED
    assert [gate["name"] for gate in run.gates if gate["passed"] is False]
    assert active_run(1, "blend") == first
    assert not [*half_published(1), *left_undone(1)]


def test_a_refused_one_goes_live_when_somebody_says_why_and_back_again(shop, learnt):
    habits(shop)
    first = blend()
    by_chance(shop)
    run = blend()
    out = StringIO()
    call_command("reco_runs", "activate", run.pk, "--because", "on trial for a week", stdout=out)
    assert f"Run {run.pk} is the live blend run, against its gates." in out.getvalue()
    run.refresh_from_db()
    assert (run.status, active_run(1, "blend")) == (RunStatus.PUBLISHED, run)
    assert Related.objects.filter(run=run).count() == run.dataset["lists"] > 30
    assert not [*half_published(1), *left_undone(1)]
    (entry,) = decisions.decisions(run)
    assert entry["why"] == "on trial for a week"
    assert entry["gates"] == decisions.failed(run) != []
    assert any(some_lists(shop, run))
    rollback(1, "blend")
    assert active_run(1, "blend") == first


def test_of_the_refused_no_more_are_kept_than_of_the_published(shop, learnt, settings):
    settings.RECO_KEEP_RUNS = 1
    by_chance(shop)
    old, new = blend(), blend()
    assert old.status == new.status == RunStatus.REJECTED
    old.refresh_from_db()
    assert old.status == RunStatus.PRUNED
    assert set(Related.objects.values_list("run", flat=True)) == {new.pk}
    with pytest.raises(NotPublished, match="pruned"):
        decisions.overrule(old, by="me", why="because")


def by_chance(shop: list[Product]) -> None:
    """Nothing that happens follows from anything before."""
    Interaction.objects.all().delete()
    random = np.random.default_rng(3)
    now = timezone.now()
    Interaction.objects.bulk_create(
        event(
            shop[int(random.integers(len(shop)))],
            uuid.UUID(int=number % 60 + 1),
            occurred_at=now - dt.timedelta(days=float(random.random() * 60)),
        )
        for number in range(500)
    )


def test_too_little_is_said_before_anything_is_learnt(shop, learnt):
    habits(shop, shoppers=4)
    run = blend()
    assert run.status == RunStatus.REJECTED
    assert not learnt
    assert "RECO_MIN_INTERACTIONS" in run.gates[0]["words"]
    assert "nothing that could be published" in decisions.why_not(run)


def test_roll_back(shop, learnt):
    habits(shop)
    one, other = blend(), blend()
    assert active_run(1, "blend") == other
    rollback(1, "blend")
    assert active_run(1, "blend") == one


def test_it_learns_in_a_process_of_its_own(shop):
    habits(shop, shoppers=60)
    run = blend()
    assert not run.error
    assert run.config["recipe"]["members"]
    assert run.config["facts"]["wanted"] is not None


def test_its_page_says_whom_it_believes(shop, learnt, monkeypatch):
    habits(shop)
    run = blend()
    operator = Rights.in_force(monkeypatch).operator(*VIEW)
    page = operator.get(reverse("admin:reco_run_change", args=[run.pk])).content.decode()
    for words in ("Whom it believes", "Taken by the same shoppers", "Personal, by fixed weights"):
        assert words in page
    assert run.gates[-4]["name"] == "blend"
    assert run.gates[-4]["words"] in page.replace("&#x27;", "'")


@pytest.mark.parametrize("broken", [{}, {"members": ["ease"]}, {"weights": "no"}, None, 7])
def test_a_page_of_a_broken_run(broken):
    assert blend_facts.told(Run(kind="blend", config={"recipe": broken})) is None


def test_what_it_is_worth_that_something_is_taken(shop, settings):
    someone = uuid.UUID(int=1)
    at = timezone.now() - dt.timedelta(days=2)
    for product, kind in ((0, "view_item"), (0, "purchase"), (1, "view_item")):
        event(shop[product], someone, kind=EventKind.parse(kind), occurred_at=at).save()
        at += dt.timedelta(hours=1)
    Item.objects.filter(pk=shop[0].pk).update(price=50.0, attributes={"margin": "4"})
    Item.objects.filter(pk=shop[1].pk).update(price=10.0, attributes={"margin": "-2"})
    Item.objects.exclude(pk__in=[shop[0].pk, shop[1].pk]).update(price=10.0, attributes={})
    row = {product.pk: at for at, product in enumerate(sorted(shop, key=lambda one: one.pk))}
    told = {}
    for objective in ("", "price", "margin"):
        settings.RECO_OBJECTIVE = objective
        found = blend_material.gather(1).worth.toarray()[0]
        told[objective] = [round(float(found[row[shop[at].pk]]), 3) for at in (0, 1)]
    assert told == {"": [5, 1], "price": [25, 1], "margin": [5, 0.01]}
    Item.objects.filter(pk=shop[1].pk).update(attributes={"margin": "1e300"})
    assert np.isfinite(blend_material.gather(1).worth.data).all()


def test_a_page_reads_no_more_often_than_without(shop, learnt):
    habits(shop)
    for count in (popular, behaviour):
        count()
    someone = Shopper(id=uuid.UUID(int=3))

    def reads() -> list[str]:
        pointers.forget()
        with CaptureQueriesContext(connection) as queries:
            page = plan(None, ["personal", "popular"], shopper=someone, record=False)
        assert page["personal"].rung is Rung.PERSONAL, page["personal"].notes
        return [query["sql"] for query in queries]

    blend()
    with_it = reads()
    ActiveRun.objects.filter(kind="blend").delete()
    bought_one_after_the_other(shop, someone)
    assert len(with_it) <= len(reads())


def bought_one_after_the_other(shop, someone) -> None:
    """So that fixed weights have something to say, too."""
    Interaction.objects.bulk_create(
        event(shop[at], who.id, kind=EventKind.PURCHASE, occurred_at=at_)
        for who in (someone, *(Shopper(id=uuid.UUID(int=900 + n)) for n in range(4)))
        for at, at_ in (
            (0, timezone.now() - dt.timedelta(days=60)),
            (1, timezone.now() - dt.timedelta(days=40)),
        )
    )
    behaviour()
