from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone
from jobs_shop import event, products
from testapp.models import Product

from reco_plugin.jobs.artefacts import artefact_path
from reco_plugin.jobs.behaviour import behaviour
from reco_plugin.jobs.prune import prune
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Interaction, Item, Related, Run, RunStatus
from reco_plugin.testing.wholeness import half_published, left_undone
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalogue() -> list[Product]:
    made = products(2)
    sync_items()
    return made


def buy(shopper: int, *wanted: Product, days_ago: float = 1, kind: EventKind = EventKind.PURCHASE):
    at = timezone.now() - dt.timedelta(days=days_ago)
    who = uuid.UUID(int=shopper + 1)
    Interaction.objects.bulk_create(
        event(product, who, kind=kind, occurred_at=at) for product in wanted
    )


def keys(run: object, product: Product, relation: str = "bought_together") -> list[str]:
    row = Related.objects.filter(run=run, product_id=product.pk, relation=relation).first()
    return row.keys if row else []


def test_what_three_people_bought_together_is_told_with_its_figures(catalogue):
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1])
    buy(3, catalogue[0])
    run = behaviour()
    assert run.status == RunStatus.PUBLISHED, run.error
    assert active_run(1, "behaviour") == run
    row = Related.objects.get(run=run, product_id=catalogue[0].pk, relation="bought_together")
    assert row.keys == [catalogue[1].pk.hex]
    assert row.facts == {
        "support": [3],
        "confidence": [0.75],
        "lift": [1.0],
        "shoppers": [3],
    }
    assert keys(run, catalogue[1]) == [catalogue[0].pk.hex]


def test_every_relation_has_its_own_direction(catalogue):
    boots, lamp, pen = catalogue[0], catalogue[2], catalogue[4]
    for shopper in range(3):
        buy(shopper, boots, kind=EventKind.VIEW_ITEM, days_ago=2.001)
        buy(shopper, lamp, days_ago=2)
        buy(shopper, pen, days_ago=1)
    run = behaviour()
    assert keys(run, boots, "viewed_bought") == [lamp.pk.hex]
    assert keys(run, lamp, "viewed_bought") == []
    assert keys(run, lamp, "bought_bought") == [pen.pk.hex]
    assert keys(run, pen, "bought_bought") == []
    assert keys(run, lamp) == []


def test_what_was_looked_at_next(catalogue):
    one, other, third = catalogue[:3]
    for shopper in range(3):
        buy(shopper, one, kind=EventKind.VIEW_ITEM, days_ago=1.002)
        buy(shopper, other, kind=EventKind.VIEW_ITEM, days_ago=1.001)
        buy(shopper, third, kind=EventKind.VIEW_ITEM, days_ago=1)
    run = behaviour()
    assert keys(run, one, "viewed_viewed") == [other.pk.hex, third.pk.hex]
    assert keys(run, other, "viewed_viewed") == [third.pk.hex, one.pk.hex]


def test_two_products_that_call_for_a_third(catalogue):
    tent, stove, gas = catalogue[:3]
    for shopper in range(6):
        buy(shopper, tent, stove, gas)
    for shopper in range(10, 20):
        buy(shopper, tent)
        buy(shopper + 10, stove)
    found = Related.objects.filter(run=behaviour(), relation="rules")
    told = {(row.product_id.hex, row.facts["with"][at], row.keys[at]) for row in found
            for at in range(len(row.keys))}  # fmt: skip
    pairs = [{first, second} for first, second, item in told if item == gas.pk.hex]
    assert pairs == [{tent.pk.hex, stove.pk.hex}]


def test_what_is_bought_again_has_its_interval(catalogue):
    for shopper in range(4):
        for days in (61, 31, 1):
            buy(shopper, catalogue[0], days_ago=days)
    row = Related.objects.get(run=behaviour(), relation="buy_again")
    assert row.keys == [catalogue[0].pk.hex] == [row.product_id.hex]
    assert row.scores == [pytest.approx(30, abs=0.1)]
    assert row.facts["shoppers"] == [4]


def test_fewer_people_than_the_floor_are_not_told_of(catalogue, settings):
    settings.RECO_MIN_PAIR_SHOPPERS = 4
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1])
    buy(0, catalogue[0], catalogue[1], days_ago=9)
    assert not Related.objects.filter(run=behaviour()).exists()


def test_what_was_sent_back_was_not_bought(catalogue):
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1])
    buy(0, catalogue[1], days_ago=0.5, kind=EventKind.REFUND)
    assert not Related.objects.filter(run=behaviour()).exists()


def test_a_refund_takes_back_the_newest_purchase_only(catalogue):
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1], days_ago=9)
    buy(0, catalogue[1], days_ago=2)
    buy(0, catalogue[1], days_ago=1, kind=EventKind.REFUND)
    assert keys(behaviour(), catalogue[0]) == [catalogue[1].pk.hex]


def test_sensitive_products_go_with_nothing(catalogue):
    Item.objects.filter(pk=catalogue[1].pk).update(sensitive=True)
    for shopper in range(5):
        buy(shopper, catalogue[0], catalogue[1])
    assert not Related.objects.filter(run=behaviour()).exists()


def test_only_the_window_counts(catalogue, settings):
    settings.RECO_BEHAVIOUR_DAYS = 30
    for shopper in range(5):
        buy(shopper, catalogue[0], catalogue[1], days_ago=31)
    assert not Related.objects.filter(run=behaviour()).exists()


def test_an_empty_shop_has_an_empty_run():
    run = behaviour()
    assert run.status == RunStatus.PUBLISHED, run.error
    assert not Related.objects.exists()


def test_rows_go_with_their_run(catalogue):
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1])
    runs = [behaviour() for _ in range(3)]
    prune(1, "behaviour", keep=1)
    assert set(Related.objects.values_list("run_id", flat=True)) == {run.pk for run in runs[1:]}


# --- a day is added --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _folder(settings, tmp_path):
    settings.RECO_ARTEFACT_DIR = tmp_path


def told(run: object) -> dict[tuple[str, str], tuple[object, object]]:
    """Every list of the counted relations, with its scores and facts."""
    rows = Related.objects.filter(run=run).exclude(relation__in=("rules", "buy_again"))
    return {(str(row.product_id), row.relation): (
        sorted(zip(row.keys, row.scores, strict=True)), row.facts["support"] and sorted(
            zip(row.keys, row.facts["support"], row.facts["shoppers"], strict=True)))
        for row in rows}  # fmt: skip


def before(catalogue: list[Product]) -> None:
    for shopper in range(3):
        buy(shopper, *catalogue[:2], days_ago=5)
        buy(shopper, catalogue[2], kind=EventKind.VIEW_ITEM, days_ago=4.001)
        buy(shopper, catalogue[3], days_ago=4)


def later(catalogue: list[Product]) -> None:
    """Purchases, views, a refund of what was bought before, a product that is new."""
    ago = -1 / 86_400
    born = Product.objects.create(label="Born today")
    sync_items()
    for shopper in (*range(2), 7):
        buy(shopper, catalogue[0], catalogue[4], born, days_ago=ago)
        buy(shopper, catalogue[5], kind=EventKind.VIEW_ITEM, days_ago=ago)
    buy(8, catalogue[0], catalogue[1], days_ago=ago)
    buy(2, catalogue[3], kind=EventKind.REFUND, days_ago=ago)


def run_at(monkeypatch, moment: dt.datetime) -> None:
    monkeypatch.setattr("reco_plugin.clock.now", lambda: moment)


def test_a_day_added_is_as_good_as_counting_everything(catalogue, monkeypatch):
    before(catalogue)
    first = behaviour()
    later(catalogue)
    run_at(monkeypatch, timezone.now() + dt.timedelta(hours=1))
    assert keys(first, catalogue[2], "viewed_bought") == [catalogue[3].pk.hex]
    report = execute("behaviour", 1).report
    assert report["run"] == first.pk
    assert report["added"] == 15
    added = told(first)
    whole = behaviour()
    assert whole.pk != first.pk
    assert added == told(whole)
    assert keys(first, catalogue[2], "viewed_bought") == []
    assert keys(whole, catalogue[0]) != []


def test_nothing_new_changes_nothing(catalogue):
    before(catalogue)
    run = behaviour()
    known = told(run)
    report = execute("behaviour", 1).report
    assert report["added"] == 0
    assert set(report["lists"].values()) == {0}
    assert told(run) == known


def test_without_the_counts_everything_is_counted(catalogue):
    before(catalogue)
    run = behaviour()
    artefact_path(run).unlink()
    assert execute("behaviour", 1).report["run"] != run.pk


def test_other_settings_count_everything(catalogue, settings):
    before(catalogue)
    run = behaviour()
    settings.RECO_MIN_PAIR_SHOPPERS = 2
    assert execute("behaviour", 1).report["run"] != run.pk


def test_an_old_run_is_counted_anew(catalogue, monkeypatch):
    before(catalogue)
    run = behaviour()
    run_at(monkeypatch, timezone.now() + dt.timedelta(days=8))
    assert execute("behaviour", 1).report["run"] != run.pk


def test_what_became_sensitive_is_taken_out_the_same_day(catalogue):
    before(catalogue)
    run = behaviour()
    Item.objects.filter(pk=catalogue[1].pk).update(sensitive=True)
    assert execute("behaviour", 1).report["run"] == run.pk
    assert keys(run, catalogue[0]) == []
    assert not Related.objects.filter(run=run, product_id=catalogue[1].pk).exists()


def test_orders_that_were_imported_are_counted(catalogue):
    before(catalogue)
    run = behaviour()
    for shopper in range(20, 23):
        buy(shopper, catalogue[6], catalogue[7], days_ago=30)
    report = execute("behaviour", 1).report
    assert report["run"] != run.pk
    assert keys(active_run(1, "behaviour"), catalogue[6]) == [catalogue[7].pk.hex]


def test_a_run_that_a_day_was_added_to_says_how_many_lists_it_has(catalogue, monkeypatch):
    before(catalogue)
    run = behaviour()
    known = run.dataset["lists"]
    later(catalogue)
    run_at(monkeypatch, timezone.now() + dt.timedelta(hours=1))
    assert execute("behaviour", 1).report["run"] == run.pk
    run.refresh_from_db()
    assert run.dataset["lists"].keys() == known.keys()
    assert run.dataset["lists"] != known
    assert list(half_published()) == []


# --- a whole count, killed -------------------------------------------------------------------------


class Killed(BaseException):
    pass


def killed(*args: object, **named: object) -> None:
    raise Killed


def killed_in_a_whole_count(monkeypatch, step: str) -> None:
    """As a power cut would: the row of the run is not told."""
    with monkeypatch.context() as patched:
        patched.setattr(step, killed)
        patched.setattr("reco_plugin.jobs.record._finish", lambda *_: None)
        patched.setattr("reco_plugin.jobs.record._fail", lambda *_: None)
        with pytest.raises(Killed):
            behaviour()


def test_a_whole_count_that_was_killed_is_given_up_and_the_day_added(catalogue, monkeypatch):
    before(catalogue)
    live = behaviour()
    killed_in_a_whole_count(monkeypatch, "reco_plugin.jobs.behaviour.count")
    dead = Run.objects.get(pk__gt=live.pk)
    assert dead.status == RunStatus.RUNNING
    assert execute("behaviour", 1).report["run"] == live.pk
    dead.refresh_from_db()
    assert dead.status == RunStatus.FAILED
    assert list(half_published()) == list(left_undone()) == []


def test_a_whole_count_whose_lists_were_written_is_made_live(catalogue, monkeypatch):
    before(catalogue)
    live = behaviour()
    killed_in_a_whole_count(monkeypatch, "reco_plugin.jobs.making.activate")
    assert active_run(1, "behaviour") == live
    written = Run.objects.get(pk__gt=live.pk)
    assert execute("behaviour", 1).report["run"] == written.pk
    assert active_run(1, "behaviour") == written
    assert list(half_published()) == list(left_undone()) == []
