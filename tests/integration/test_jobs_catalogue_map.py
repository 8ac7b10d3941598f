"""The map of the catalogue: drawn from the live visual run, again only when its vectors are others."""

from __future__ import annotations

import numpy as np
import pytest
import visualshop

from reco_plugin.jobs import catalogue_map
from reco_plugin.jobs.running.execute import execute
from reco_plugin.models import Outcome, VectorBlock
from reco_plugin.stores import keys as shop_keys

pytestmark = pytest.mark.django_db


def drawn():
    found = execute("catalogue_map", 1)
    assert (found.outcome, found.error) == (Outcome.DONE, "")
    return found.report


def block(run):
    return VectorBlock.objects.get(run=run, space=catalogue_map.SPACE)


def test_without_a_visual_run_there_is_none():
    assert drawn()["note"] == "No visual run is live."
    assert not VectorBlock.objects.exists()


def test_every_product_has_a_place_near_its_like():
    shown = visualshop.products(24)
    run = visualshop.publish(shown, visualshop.groups(3, 8))
    assert drawn()["products"] == 24
    found = block(run)
    keys = shop_keys.from_json(found.keys)
    assert set(keys) == {one.pk for one in shown}
    places = np.frombuffer(found.vectors, "<f4").reshape(-1, 2)
    group = np.array([[one.pk for one in shown].index(key) // 8 for key in keys])
    apart = np.linalg.norm(places[:, None] - places, axis=2) + 9 * np.eye(24)
    assert (group[apart.argmin(axis=1)] == group).all()


def test_it_is_drawn_again_only_for_other_vectors():
    shown = visualshop.products(8)
    run = visualshop.publish(shown, visualshop.groups(2, 4))
    drawn()
    first = block(run)
    assert drawn()["note"] == "Nothing changed since."
    assert block(run).pk == first.pk
    other = visualshop.publish(shown, visualshop.groups(2, 4, seed=1))
    drawn()
    assert block(other).run_id == other.pk


def test_of_many_products_some_are_drawn_by_lot(monkeypatch):
    monkeypatch.setattr(catalogue_map, "MOST", 10)
    run = visualshop.publish(visualshop.products(30), visualshop.groups(3, 10))
    assert drawn()["products"] == 10
    assert len(set(block(run).keys)) == 10
    run.refresh_from_db()
    assert run.config["map"]["of"] == 30


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 5_000])
def test_the_lot_is_the_same_for_the_same_seed(count):
    rows = catalogue_map.drawn_by_lot(count, seed=3)
    assert np.array_equal(rows, catalogue_map.drawn_by_lot(count, seed=3))
    assert len(rows) == len(set(rows.tolist())) == min(count, 1_000)
    assert set(rows.tolist()) <= set(range(count))
