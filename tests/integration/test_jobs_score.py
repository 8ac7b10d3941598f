"""Similar products worked out ahead: exact, by whoever has time, read by key when they are whole."""

from __future__ import annotations

import numpy as np
import pytest
import servingshop
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from servingshop import Shop
from testapp.models import Product

from reco_plugin import backends, recommend
from reco_plugin.jobs import neighbours, score
from reco_plugin.jobs.neighbours import Directions
from reco_plugin.jobs.publish import handle
from reco_plugin.jobs.running.execute import execute
from reco_plugin.models import Neighbours, Outcome, Run, RunStatus, Shard
from reco_plugin.serving import pointers
from reco_plugin.types import IdMap, Rung, id_map


@pytest.fixture
def shop(db):
    made = Shop(products=servingshop.products(30))
    made.run = servingshop.publish(made)
    return made


def scored(shop: Shop) -> Run:
    found = execute("score", 1)
    assert (found.outcome, found.error) == (Outcome.DONE, "")
    pointers.forget()
    assert shop.run is not None
    shop.run.refresh_from_db()
    return shop.run


def exact(shop: Shop, product: Product, k: int) -> list[object]:
    assert shop.run is not None
    return [one.key for one in backends.store().neighbours(handle(shop.run), product.pk, k)]


@pytest.mark.parametrize("size", [1, 4, 7, 30, 5_000])
def test_every_product_has_the_list_a_scan_would_give(shop, settings, size):
    settings.RECO_SHARD_ITEMS = size
    settings.RECO_NEIGHBOURS = 5
    run = scored(shop)
    assert run.config["neighbours"]["depth"] == 5
    assert run.config["neighbours"]["items"] == 30
    assert Neighbours.objects.filter(run=run).count() == 30
    assert not Shard.objects.exists()
    for product in shop.products:
        row = Neighbours.objects.get(run=run, product_id=product.pk)
        found = backends.store().neighbours(handle(run), product.pk, 5)
        assert row.scores == pytest.approx([one.score for one in found], abs=1e-4)
        assert row.scores == sorted(row.scores, reverse=True)
        assert product.pk.hex not in row.keys


def test_a_product_page_reads_a_list_and_no_vectors(shop):
    expected = shop.numbers(recommend("similar", product=shop.products[9], limit=2))
    scored(shop)
    recommend("similar", product=shop.products[1], limit=2)
    with CaptureQueriesContext(connection) as asked:
        slate = recommend("similar", product=shop.products[9], limit=2)
    reads = [query["sql"] for query in asked if "FROM" in query["sql"]]
    assert slate.rung is Rung.CONTEXTUAL
    assert set(shop.numbers(slate)) == set(expected)
    assert len(reads) <= 3
    assert any("reco_neighbours" in sql for sql in reads)
    assert not any("reco_vectors" in sql for sql in reads)


def test_lists_of_several_anchors_are_one_statement(shop, settings):
    settings.RECO_FORCE_RUNG = "contextual"
    shop.viewed(3, 12, 25)
    scored(shop)
    recommend("personal", shopper=shop.shopper, limit=3)
    with CaptureQueriesContext(connection) as asked:
        slate = recommend("personal", shopper=shop.shopper, limit=3)
    assert len(slate) == 3
    assert sum("reco_neighbours" in query["sql"] for query in asked) == 1
    assert not any("<=>" in query["sql"] for query in asked)


def test_a_product_that_came_later_is_looked_up_in_the_vectors(shop):
    run = scored(shop)
    born = Product.objects.create(label="born", cents=5)
    servingshop.stock(born)
    backends.store().upsert(
        handle(run), id_map([born.pk]), np.array([[1.0, 0.0]], np.float32), np.zeros(1, np.float32)
    )
    with CaptureQueriesContext(connection) as asked:
        slate = recommend("similar", product=born, limit=3)
    assert slate.rung is Rung.CONTEXTUAL
    assert set(shop.numbers(slate)) <= {0, 1, 2, 3}
    assert sum("reco_neighbours" in query["sql"] for query in asked) == 1


def test_more_than_a_list_holds_is_looked_up_in_the_vectors(shop, settings):
    settings.RECO_NEIGHBOURS = 2
    scored(shop)
    assert len(recommend("similar", product=shop.products[9], limit=12)) == 12


def test_what_may_not_be_shown_is_topped_up(shop):
    scored(shop)
    Product.objects.exclude(pk__in=[shop.products[n].pk for n in (0, 15, 16)]).update(hidden=True)
    slate = recommend("similar", product=shop.products[0], limit=2)
    assert slate.rung is Rung.CONTEXTUAL
    assert set(shop.numbers(slate)) == {15, 16}


def test_lists_that_are_not_whole_are_not_read(shop, settings, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*args):
        raise Killed

    settings.RECO_SHARD_ITEMS = 10
    monkeypatch.setattr(score, "_use", killed)
    with pytest.raises(Killed):
        execute("score", 1)
    pointers.forget()
    Neighbours.objects.update(keys=[], scores=[])
    assert len(recommend("similar", product=shop.products[9], limit=3)) == 3
    monkeypatch.undo()
    assert "neighbours" not in Run.objects.get(pk=shop.run.pk).config


def test_nothing_is_done_while_nothing_changed(shop):
    first = scored(shop).config
    found = execute("score", 1)
    assert found.report["note"] == "Nothing changed since."
    assert Run.objects.get(pk=shop.run.pk).config == first
    backends.store().upsert(
        handle(shop.run),
        id_map([shop.products[0].pk]),
        np.array([[0.0, -1.0]], np.float32),
        np.zeros(1, np.float32),
    )
    assert execute("score", 1).report["lists"] == 30
    assert Run.objects.get(pk=shop.run.pk).config != first
    assert Neighbours.objects.count() == 30


def test_a_shard_done_twice_is_harmless(shop):
    doing = score.ShardScoring()
    payload = {"run": shop.run.pk, "of": "", "depth": 5, "after": None, "upto": None, "rows": 30}
    for _ in range(2):
        assert doing(payload, lambda *told: None) == {"lists": 30}
    assert Neighbours.objects.count() == 30


def test_r07_worker_killed_mid_scoring_another_one_goes_on(shop, settings, monkeypatch):
    class Killed(BaseException):
        pass

    settings.RECO_SHARD_ITEMS = 10
    done = []
    write = neighbours.write

    def dying(*args):
        if len(done) == 2:
            raise Killed
        done.append(args)
        write(*args)

    monkeypatch.setattr(neighbours, "write", dying)
    with pytest.raises(Killed):
        execute("score", 1)
    monkeypatch.undo()
    scored(shop)
    assert len(done) == 2
    assert Neighbours.objects.count() == 30


def test_r11_a_run_let_go_of_meanwhile_is_not_said_to_have_lists(shop, monkeypatch):
    write = neighbours.write

    def pruned(*args):
        Run.objects.filter(pk=shop.run.pk).update(status=RunStatus.PRUNED)
        write(*args)

    monkeypatch.setattr(neighbours, "write", pruned)
    found = execute("score", 1)
    assert found.outcome == Outcome.FAILED
    assert "was let go of" in found.error
    assert "neighbours" not in Run.objects.get(pk=shop.run.pk).config


def test_there_is_nothing_to_score_without_a_run(db):
    assert execute("score", 1).report == {"lists": 0, "note": "No personal run is live."}


def test_lists_can_be_switched_off(shop, settings):
    settings.RECO_NEIGHBOURS = 0
    assert execute("score", 1).report["note"] == "RECO_NEIGHBOURS is 0."
    assert not Neighbours.objects.exists()


def test_a_store_that_hands_out_nothing_is_said_to(shop, monkeypatch):
    monkeypatch.setattr(backends, "store", lambda name="": object())
    assert "does not hand out" in execute("score", 1).report["note"]


# --- directions ----------------------------------------------------------------------------------

KEYS = st.one_of(
    st.sets(st.integers(-(2**62), 2**62), max_size=40),
    st.sets(st.uuids(), max_size=40),
    st.sets(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
        max_size=40,
    ),
)


@given(keys=KEYS, size=st.integers(1, 9))
def test_ranges_hold_every_item_once_whatever_its_key(keys, size):
    items = id_map(list(keys))
    order = np.argsort(neighbours._comparable(items.keys), kind="stable")
    space = Directions(
        items=IdMap(keys=items.keys[order]), units=np.ones((len(keys), 1), np.float32)
    )
    rows = [space.between(part["after"], part["upto"]) for part in space.ranges(size)]
    covered = [row for part in rows for row in range(part.start, part.stop)]
    assert covered == list(range(len(keys)))
    assert all(part.stop - part.start <= size for part in rows)


def test_ranges_stay_when_items_come():
    """Another worker may read the store later, when there are more items."""
    few = Directions(items=id_map([2, 4, 6, 8]), units=np.ones((4, 1), np.float32))
    more = Directions(items=id_map([1, 2, 3, 4, 5, 6, 7, 8]), units=np.ones((8, 1), np.float32))
    held = [more.items.to_python()[more.between(p["after"], p["upto"])] for p in few.ranges(2)]
    assert held == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_items_without_a_direction_have_no_list_and_are_in_none(shop):
    zero = Product.objects.create(label="zero", cents=5)
    backends.store().upsert(
        handle(shop.run), id_map([zero.pk]), np.zeros((1, 2), np.float32), np.zeros(1, np.float32)
    )
    scored(shop)
    assert not Neighbours.objects.filter(product_id=zero.pk).exists()
    assert all(zero.pk.hex not in row.keys for row in Neighbours.objects.all())


def test_a_helper_that_knew_older_vectors_makes_lists_of_the_new_ones(shop):
    helper = score.ShardScoring()
    for _ in range(2):
        space = Directions.of(shop.run)
        assert space is not None
        for payload in score._payloads(shop.run, space, 3):
            helper(payload, lambda stage, done, total: None)
        assert Neighbours.objects.count() == len(space)
        born = Product.objects.create(label="Born later")
        one = np.ones((1, space.units.shape[1]), np.float32)
        backends.store().upsert(handle(shop.run), id_map([born.pk]), one, one[:, 0])
