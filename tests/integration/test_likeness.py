"""What nobody has taken yet has the products before it whose features it shares, then its nearest in the space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import servingshop
from jobs_shop import FAST, history, products
from scipy import sparse
from servingshop import Shop
from testapp.models import Product

from reco_plugin import backends, recommend
from reco_plugin.jobs import artefacts, newborn
from reco_plugin.jobs.artefacts import Artefact
from reco_plugin.jobs.publish import handle
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.jobs.train import train
from reco_plugin.models import Neighbours, Outcome, Run, RunStatus
from reco_plugin.serving import pointers
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import Key, id_map

pytestmark = pytest.mark.django_db

NAMES = ("brand:North", "text:copper", "text:kettle")
HAVE = {10: {0}, 20: {2}, 21: {2}, 22: {1, 2}, 25: {1}}
"""Which products of the shop have which of NAMES."""


@pytest.fixture
def learnt() -> Artefact:
    """What every test may change: the brand 'North' lies where number 10 is, words lie nowhere."""
    angle = np.pi * 10 / 30
    matrix = np.zeros((30, len(NAMES)), np.bool_)
    for row, features in HAVE.items():
        matrix[row, list(features)] = True
    vectors = np.zeros((len(NAMES), 2), np.float32)
    vectors[0] = np.cos(angle), np.sin(angle)
    return Artefact(
        items=id_map([0]),
        feature_names=NAMES,
        feature_vectors=vectors,
        feature_biases=np.zeros(len(NAMES), np.float32),
        features=sparse.csr_matrix(matrix),
        taken=np.full(30, 9, np.float32),
    )


@pytest.fixture
def shop(settings, monkeypatch, learnt) -> Shop:
    """Thirty products on a half circle, with lists of five."""
    settings.RECO_NEIGHBOURS = 5
    made = Shop(products=servingshop.products(30))
    sync_items()
    made.run = servingshop.publish(made)
    use(monkeypatch, made, learnt)
    return made


def use(monkeypatch, shop: Shop, learnt: Artefact, **changes: object) -> None:
    items = id_map([product.pk for product in shop.products])
    known = replace(learnt, items=items, **changes)
    monkeypatch.setattr(newborn, "learnt_by", lambda run: known)


def done(name: str) -> None:
    found = execute(name, 1)
    assert (found.outcome, found.error) == (Outcome.DONE, "")


def born(label: str = "Copper kettle") -> Product:
    product = Product.objects.create(label=label, maker="North", cents=5)
    servingshop.stock(product)
    return product


def near(run: Run | None, shop_products: list[Product], key: Key) -> list[int]:
    """Numbers of the products in a list."""
    listed = Neighbours.objects.get(run=run, product_id=key).keys
    names = shop_keys.to_json(id_map([product.pk for product in shop_products]))
    return [names.index(name) for name in listed]


def listed(shop: Shop, product: Product) -> list[int]:
    return near(shop.run, shop.products, product.pk)


def test_what_shares_its_features_comes_first_the_rarest_above_all(shop):
    done("score")
    product = born()
    done("arrivals")
    assert listed(shop, product)[0] == 22
    assert set(listed(shop, product)) == {22, 10, 25, 20, 21}


def test_of_what_is_as_like_it_what_sells(shop, monkeypatch, learnt):
    taken = np.full(30, 9, np.float32)
    taken[21] = 90
    use(monkeypatch, shop, learnt, taken=taken)
    done("score")
    product = born("Kettle")
    done("arrivals")
    own = listed(shop, product)
    assert own.index(21) < own.index(20)


def test_then_come_its_nearest_with_scores_that_lists_of_others_have(shop):
    done("score")
    product = born("Copper")
    done("arrivals")
    assert shop.run is not None
    row = Neighbours.objects.get(run=shop.run, product_id=product.pk)
    nearest = backends.store(shop.run.store).neighbours(handle(shop.run), product.pk, 5)
    assert set(listed(shop, product)[:3]) == {10, 22, 25}
    assert set(listed(shop, product)[3:]) <= {8, 9, 11, 12}
    assert row.scores == pytest.approx([one.score for one in nearest], abs=1e-4)


def test_scoring_anew_does_not_undo_it(shop):
    done("score")
    product, other = born(), born("Kettle")
    done("arrivals")
    before = listed(shop, product)
    done("score")
    assert listed(shop, product)[:3] == before[:3]
    assert len(Neighbours.objects.get(run=shop.run, product_id=other.pk).keys) == 5


def test_a_product_that_was_there_at_the_training_but_nobody_took(shop, monkeypatch, learnt):
    done("score")
    by_place = [listed(shop, product) for product in shop.products]
    taken = np.full(30, 9, np.float32)
    taken[20] = 0
    use(monkeypatch, shop, learnt, taken=taken)
    Run.objects.update(config={})
    done("score")
    lists = [listed(shop, product) for product in shop.products]
    assert set(lists[20][:2]) == {21, 22}
    assert set(lists[20][2:]) <= set(by_place[20])
    assert lists[:20] + lists[21:] == by_place[:20] + by_place[21:]


def test_its_page_says_so(shop):
    done("score")
    product = born()
    done("arrivals")
    pointers.forget()
    slate = recommend("similar", product=product, limit=1)
    assert [(item.key, item.reason) for item in slate] == [
        (shop.products[22].pk, f"similar_to:{product.pk}")
    ]


@pytest.mark.lightfm
def test_a_run_keeps_what_it_takes(settings, tmp_path):
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER_CONFIG = FAST
    settings.RECO_TRAIN_THREADS = 1
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_NEIGHBOURS = 5
    made = products()
    history(made)
    run = train(evaluate=False)
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "")
    kept = artefacts.load(run)
    assert kept.features is not None
    assert kept.taken is not None
    assert kept.features.shape == (60, len(kept.feature_names))
    assert kept.taken.shape == (60,)
    assert kept.taken.min() > 0
    done("score")
    later = Product.objects.create(label="Lamps 99", maker="Maker 1", cents=505)
    later.shelves.set(made[12].shelves.all())
    assert sync_items().vectors == 1
    assert {number // 12 for number in near(run, made, later.pk)} == {1}
