from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone
from jobs_shop import LABELS, event, products
from testapp.models import Product
from testapp.reco import TestCatalog

from reco_plugin.jobs import lists as job
from reco_plugin.jobs.lists import lists
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Impression, Interaction, Outcome, RankedList, Run, RunStatus
from reco_plugin.testing.wholeness import half_published, left_undone
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db


def ranked(run: Run, segment: str = "") -> list[str]:
    found = RankedList.objects.filter(run=run, segment=segment).first()
    return list(found.keys) if found else []


def acted(
    product: Product,
    people: int,
    *,
    hours_ago: float = 5,
    first: int = 0,
    kind: EventKind = EventKind.VIEW_ITEM,
) -> None:
    at = timezone.now() - dt.timedelta(hours=hours_ago)
    Interaction.objects.bulk_create(
        event(product, uuid.UUID(int=first + number + 1), occurred_at=at, kind=kind)
        for number in range(people)
    )


@pytest.fixture
def catalogue() -> list[Product]:
    made = products(2)
    sync_items()
    for product in made[:8]:
        for hours in (5, 30, 50, 80):
            acted(product, 15, hours_ago=hours)
    return made


def one(kind: str) -> Run:
    (run,) = lists(kinds=[kind])
    assert (run.kind, run.error, run.status) == (kind, "", RunStatus.PUBLISHED)
    assert active_run(1, kind) == run
    return run


def test_what_rises_trends_in_the_shop_and_in_its_category(catalogue):
    acted(catalogue[8], 40)
    acted(catalogue[9], 1)
    run = one("trending")
    assert ranked(run) == ranked(run, "All > Teapots") == [str(catalogue[8].pk)]
    assert ranked(run, "All > Boots") == []
    assert run.dataset["hours"] == 24
    assert run.dataset["items"] == 1


def test_what_was_sent_back_does_not_trend(catalogue):
    acted(catalogue[8], 40, kind=EventKind.PURCHASE)
    acted(catalogue[8], 40, kind=EventKind.REFUND, hours_ago=4)
    assert ranked(one("trending")) == []


def test_without_a_baseline_it_says_so():
    made = products(1)
    sync_items()
    acted(made[0], 120)
    run = one("trending")
    assert ranked(run) == []
    assert run.dataset["notes"] == [
        "There is no event before the recent ones to compare them with."
    ]


def test_what_is_bought_by_those_who_look_converts_best(catalogue):
    acted(catalogue[1], 10, kind=EventKind.PURCHASE)
    acted(catalogue[2], 12, kind=EventKind.PURCHASE)
    acted(catalogue[2], 9, kind=EventKind.REFUND, hours_ago=1)
    acted(catalogue[3], 4, kind=EventKind.ADD_TO_CART)
    acted(catalogue[9], 1)
    acted(catalogue[9], 1, kind=EventKind.PURCHASE)
    run = one("converting")
    found = ranked(run)
    assert found[0] == str(catalogue[1].pk)
    assert set(found) == {str(catalogue[at].pk) for at in (1, 2, 3, 9)}
    assert ranked(run, "All > Boots") == [str(catalogue[1].pk)]
    assert run.dataset["to_purchase"] == pytest.approx(14 / 121, abs=1e-4)


def test_purchases_of_those_who_never_looked_tell_nothing_of_it(catalogue):
    """Orders from before views were recorded, or taken by telephone."""
    acted(catalogue[1], 200, first=1_000, kind=EventKind.PURCHASE)
    acted(catalogue[2], 3, kind=EventKind.PURCHASE)
    assert ranked(one("converting")) == [str(catalogue[2].pk)]


def test_with_few_views_it_says_what_is_missing():
    made = products(1)
    sync_items()
    acted(made[0], 150, kind=EventKind.PURCHASE)
    run = one("converting")
    assert ranked(run) == []
    assert "product_viewed" in run.dataset["notes"][-1]


def test_an_empty_shop_publishes_empty_lists():
    for run in lists():
        assert run.status == RunStatus.PUBLISHED
        assert ranked(run) == []


def test_one_kind_that_breaks_leaves_the_others_and_what_was_live(catalogue, monkeypatch):
    live = one("trending")

    def broken(counting: object) -> None:
        raise MemoryError

    monkeypatch.setitem(job.MAKERS, "trending", broken)
    found = execute("lists", 1)
    assert found.outcome == Outcome.FAILED
    assert "trending: Out of memory" in found.error
    assert active_run(1, "trending") == live
    assert active_run(1, "converting") is not None


def test_the_log_is_read_once(catalogue, monkeypatch):
    read = []
    whole = job.Counting.read

    def counted(*args: object) -> object:
        read.append(args)
        return whole(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(job.Counting, "read", counted)
    assert len(lists()) == len(job.MAKERS)
    assert len(read) == 1


def test_what_changes_slowly_rests_between_two_executions(catalogue):
    assert set(execute("lists", 1).report["lists"]) == set(job.MAKERS)
    assert set(job.MAKERS) - set(execute("lists", 1).report["lists"]) == {"tail"}
    Run.objects.update(created_at=timezone.now() - dt.timedelta(hours=7))
    assert set(execute("lists", 1).report["lists"]) == set(job.MAKERS)


def test_a_run_is_live_unless_asked_not_to(catalogue):
    live = one("converting")
    lists(kinds=["converting"], activate=False)
    assert active_run(1, "converting") == live


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="choose from trending, converting"):
        lists(kinds=["tredning"])


# --- rarely shown --------------------------------------------------------------------------------


def shown(product: Product, people: int, *, first: int = 0) -> None:
    Impression.objects.bulk_create(
        Impression(
            slate=uuid.uuid4(),
            placement="home",
            product_id=product.pk,
            position=0,
            source="popular",
            rung="popular",
            shopper=uuid.UUID(int=first + number + 1),
        )
        for number in range(people)
    )


def aged(catalogue: list[Product]) -> None:
    """None of them is new any more."""
    Product.objects.update(born=dt.date(2020, 1, 1))
    sync_items()


def test_the_tail_is_what_few_saw_and_some_of_them_liked(catalogue):
    aged(catalogue)
    acted(catalogue[8], 4)
    acted(catalogue[8], 2, kind=EventKind.ADD_TO_CART)
    acted(catalogue[9], 4)
    assert ranked(one("tail")) == [str(catalogue[8].pk)]


def test_what_was_liked_but_is_shown_to_everybody_is_no_tail(catalogue):
    aged(catalogue)
    acted(catalogue[8], 2, kind=EventKind.PURCHASE)
    acted(catalogue[9], 2, kind=EventKind.PURCHASE)
    shown(catalogue[9], 40)
    assert ranked(one("tail")) == [str(catalogue[8].pk)]


def test_what_is_new_is_in_the_tail_though_nobody_liked_it_yet(catalogue):
    aged(catalogue)
    Product.objects.filter(pk=catalogue[9].pk).update(born=timezone.now().date())
    sync_items()
    run = one("tail")
    assert ranked(run) == ranked(run, "All > Teapots") == [str(catalogue[9].pk)]


def test_the_better_liked_of_the_tail_come_first(catalogue):
    aged(catalogue)
    acted(catalogue[8], 6)
    acted(catalogue[9], 6)
    acted(catalogue[8], 1, kind=EventKind.PURCHASE)
    acted(catalogue[9], 4, kind=EventKind.PURCHASE)
    assert ranked(one("tail")) == [str(catalogue[at].pk) for at in (9, 8)]


# --- on sale -------------------------------------------------------------------------------------


def _was(catalog: TestCatalog, product: Product) -> float | None:
    return float(product.facts["was"]) if "was" in product.facts else None


def test_what_is_reduced_is_listed_the_most_wanted_and_most_reduced_first(catalogue, monkeypatch):
    monkeypatch.setattr(TestCatalog, "get_list_price", _was, raising=False)
    for at, was in ((0, 10.0), (8, 10.0), (9, 50.0), (1, 5.0), (2, "free")):
        Product.objects.filter(pk=catalogue[at].pk).update(facts={"was": was}, cents=500)
    run = one("sale")
    assert ranked(run) == [str(catalogue[at].pk) for at in (0, 9, 8)]
    assert ranked(run, "All > Boots") == [str(catalogue[0].pk)]


def test_a_shop_without_list_prices_has_nothing_on_sale(catalogue):
    assert ranked(one("sale")) == []


# --- brands and categories -----------------------------------------------------------------------


def test_brands_by_distinct_shoppers_in_the_shop_and_in_each_category(catalogue):
    acted(catalogue[9], 60)
    run = one("brands")
    whole = RankedList.objects.get(run=run, segment="")
    assert whole.keys == ["Maker 1", "Maker 0"]
    assert whole.scores[0] > whole.scores[1] > 0
    assert RankedList.objects.get(run=run, segment="All > Teapots").scores == [60]
    assert ranked(run, "All > Teapots") == ["Maker 1"]


def test_categories_below_each_category(catalogue):
    acted(catalogue[9], 60)
    run = one("categories")
    assert ranked(run)[0] == ranked(run, "All")[0] == "All > Teapots"
    assert set(ranked(run)) == {f"All > {label}" for label in LABELS}
    assert ranked(run, "All > Teapots") == []


def test_a_shopper_who_sent_it_back_does_not_speak_for_the_brand(catalogue):
    acted(catalogue[9], 60, kind=EventKind.PURCHASE)
    acted(catalogue[9], 60, kind=EventKind.REFUND, hours_ago=1)
    one_, other = RankedList.objects.get(run=one("brands"), segment="").scores
    assert one_ == other


def test_what_the_shop_goes_for_counts_in_the_unit_of_a_shoppers_events(catalogue):
    """Of a log of nothing but purchases, one counts as a purchase does in a shopper's own past."""
    looked = RankedList.objects.get(run=one("brands"), segment="").scores
    Interaction.objects.update(kind=EventKind.PURCHASE)
    bought = RankedList.objects.get(run=one("brands"), segment="").scores
    assert bought == pytest.approx([3 * score for score in looked])


# --- killed, and gone on with --------------------------------------------------------------------


@pytest.mark.parametrize("step", ["make_live", "begin"])
def test_killed_in_between_the_next_one_leaves_nothing_undone(catalogue, monkeypatch, step):
    class Killed(BaseException):
        pass

    real, calls = getattr(job, step), []

    def killed(*args: object, **named: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            raise Killed
        return real(*args, **named)

    with monkeypatch.context() as patched:
        patched.setattr(job, step, killed)
        with pytest.raises(Killed):
            execute("lists", 1)
    assert list(half_published()) == []
    assert execute("lists", 1).outcome == Outcome.DONE
    assert list(half_published()) == list(left_undone()) == []
    assert {run.kind for run in Run.objects.filter(status=RunStatus.PUBLISHED)} == set(job.MAKERS)


@pytest.mark.parametrize("left", [RunStatus.RUNNING, RunStatus.PUBLISHED])
def test_what_rests_is_made_anew_after_one_that_was_killed(catalogue, left):
    one("tail")
    Run.objects.create(site=1, kind="tail", status=left, dataset={"lists": 0})
    assert "tail" in execute("lists", 1).report["lists"]
    assert list(left_undone()) == []
    assert "tail" not in execute("lists", 1).report["lists"]


def test_old_runs_of_every_kind_are_let_go_of(catalogue, settings):
    settings.RECO_KEEP_RUNS = 1
    for _ in range(4):
        lists()
    for kind in job.MAKERS:
        runs = Run.objects.filter(kind=kind)
        assert runs.filter(status=RunStatus.PUBLISHED).count() == 2
        kept = RankedList.objects.filter(run__in=runs, segment="").values("run").distinct()
        assert kept.count() == 2
