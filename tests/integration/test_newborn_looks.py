"""Pictures among the features of the hybrid: learnt from where there are enough, and given to products born later."""

from __future__ import annotations

import numpy as np
import pytest
import visualshop
from jobs_shop import FAST, history, products
from testapp.models import Product

from reco_plugin import backends
from reco_plugin.exceptions import StoreError
from reco_plugin.jobs import artefacts
from reco_plugin.jobs.newborn import give_looks, give_vectors
from reco_plugin.jobs.publish import handle
from reco_plugin.jobs.train import train
from reco_plugin.models import ActiveRun, Item, Run, RunStatus
from reco_plugin.stores.numpy import NumpyStore
from reco_plugin.types import Floats

pytestmark = [pytest.mark.django_db, pytest.mark.lightfm]

EACH = 12
"""Products of each of the five categories."""


@pytest.fixture
def shop(settings, tmp_path) -> list[Product]:
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER_CONFIG = FAST
    settings.RECO_TRAIN_THREADS = 1
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_STORE = "numpy"
    made = products(EACH)
    history(made)
    return made


def looks(seed: int = 0) -> Floats:
    """What each category looks like: twelve products, and six more of each for later."""
    return visualshop.groups(5, EACH + 6, seed).reshape(5, EACH + 6, -1)


def show(shop: list[Product], rows: Floats) -> Run:
    return visualshop.publish(shop, rows[:, :EACH].reshape(-1, rows.shape[-1]))


def trained(**options: object) -> Run:
    run = train(evaluate=False, **options)
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "")
    return run


def names(run: Run) -> list[str]:
    return [name for name in artefacts.load(run).feature_names if name.startswith("look:")]


def newcomers(count: int) -> list[Product]:
    """With nothing but a picture: no brand, no category, no price."""
    made = [Product(label=str(number)) for number in range(count)]
    Product.objects.bulk_create(made)
    Item.objects.bulk_create(Item(product_id=one.pk, content_hash="x") for one in made)
    return made


def also(rows: Floats, later: list[Product]) -> None:
    """The visual run learns of `later`, one product of each category in turn."""
    run = ActiveRun.objects.get(kind="visual").run
    keys = [one.pk for one in later]
    vectors = np.stack([rows[at % 5, EACH + at // 5] for at in range(len(later))])
    nothing = np.zeros(len(keys), np.float32)
    backends.store(run.store).upsert(handle(run), visualshop.id_map(keys), vectors, nothing)


def near(shop: list[Product], run: Run, product: Product) -> list[int]:
    """Categories of the products it is nearest to."""
    found = backends.store(run.store).neighbours(handle(run), product.pk, 9)
    place = {one.pk: at for at, one in enumerate(shop)}
    return [place[one.key] // EACH for one in found if one.key in place]


def test_without_a_visual_run_pictures_take_no_part(shop):
    run = trained()
    assert names(run) == []
    assert artefacts.load(run).looks is None
    assert run.dataset["looks"] == {"share": 0.0, "why": "no visual run is live"}


def test_enough_pictures_switch_them_on(shop):
    visual = show(shop, looks())
    run = trained()
    assert len(names(run)) == 5 * EACH // 8
    assert run.dataset["looks"] == {"share": 1.0, "run": visual.pk, "kinds": [7]}


def test_too_few_pictures_do_not(shop):
    rows = looks()[:, :EACH].reshape(60, -1)
    visualshop.publish(shop[:29], rows[:29])
    run = trained()
    assert names(run) == []
    assert run.dataset["looks"]["share"] == pytest.approx(29 / 60, abs=1e-3)
    assert "too few" in run.dataset["looks"]["why"]


def test_a_visual_run_that_cannot_be_read_costs_no_training(shop, monkeypatch):
    show(shop, looks())

    def broken(self, handle):
        raise StoreError("The disk is on fire.")

    monkeypatch.setattr(NumpyStore, "item_vectors", broken)
    run = trained()
    assert names(run) == []
    assert "on fire" in run.dataset["looks"]["why"]


def test_a_product_with_nothing_but_a_picture_finds_its_like(shop):
    rows = looks()
    show(shop, rows)
    run = trained()
    later = newcomers(10)
    also(rows, later)
    assert set(give_vectors(1)) == {one.pk for one in later}
    right = [near(shop, run, one).count(at % 5) >= 5 for at, one in enumerate(later)]
    assert sum(right) >= 9


def test_without_a_picture_it_has_no_place_yet_and_gets_one_with_it(shop):
    rows = looks()
    show(shop, rows)
    trained()
    later = newcomers(2)
    assert give_vectors(1) == []
    also(rows, later[:1])
    assert give_vectors(1, [one.pk for one in later]) == [later[0].pk]


def test_pictures_looked_at_later_move_what_was_born_before(shop):
    """The brand says one thing of it, the picture that comes the next day another."""
    rows = looks()
    show(shop, rows)
    run = trained()
    later = newcomers(5)
    Item.objects.filter(product_id__in=[one.pk for one in later]).update(brand="Maker 1")
    assert len(give_vectors(1)) == 5
    assert give_vectors(1) == []
    also(rows, later)
    assert set(give_looks(1)) == {one.pk for one in later}
    right = [near(shop, run, one).count(at) >= 5 for at, one in enumerate(later)]
    assert sum(right) >= 4


def test_without_looks_nothing_is_given_again(shop):
    trained()
    newcomers(1)
    assert give_looks(1) == []


def test_kinds_are_found_again_in_another_visual_run(shop):
    """As after the encoder was trained anew: other axes, the same products."""
    show(shop, looks())
    run = trained()
    other = looks(seed=9)
    show(shop, other)
    later = newcomers(10)
    also(other, later)
    assert len(give_vectors(1)) == 10
    right = [near(shop, run, one).count(at % 5) >= 5 for at, one in enumerate(later)]
    assert sum(right) >= 9


def test_no_visual_run_any_more(shop):
    show(shop, looks())
    trained()
    ActiveRun.objects.filter(kind="visual").delete()
    newcomers(2)
    assert give_vectors(1) == []


def test_new_products_go_without_where_the_visual_run_cannot_be_read(shop, monkeypatch):
    rows = looks()
    show(shop, rows)
    trained()
    later = newcomers(2)
    also(rows, later)
    Item.objects.filter(product_id=later[0].pk).update(brand="Maker 1")

    def broken(self, handle, keys):
        raise StoreError("The disk is on fire.")

    monkeypatch.setattr(NumpyStore, "vectors_of", broken)
    assert give_vectors(1) == [later[0].pk]
