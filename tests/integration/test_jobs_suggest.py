"""Suggestions: what pictures say of facts that are missing, how sure, and what was decided stays."""

from __future__ import annotations

import numpy as np
import pytest
import visualshop
from testapp.models import Product

from reco_plugin.jobs.running.execute import execute
from reco_plugin.models import Item, Outcome, Run, RunStatus, Suggestion

pytestmark = pytest.mark.django_db

KINDS, EACH = 4, 60
SORTS = ("Boots", "Shirts", "Bags", "Rings")
MAKERS = ("Acme", "Bolt", "Cord", "Dune")
UNTAGGED = 6
"""Of each kind, the first so many lack their facts."""


@pytest.fixture
def shop() -> list[Product]:
    """Products of four sorts that look apart; the makers of two sorts make them in turns."""
    shown = visualshop.products(KINDS * EACH)
    tell(shown)
    visualshop.publish(shown, visualshop.groups(KINDS, EACH))
    return shown


def tell(shown: list[Product]) -> None:
    random = np.random.default_rng(0)
    items = {one.pk: one for one in Item.objects.all()}
    for number, product in enumerate(shown):
        kind, place = divmod(number, EACH)
        item = items[product.pk]
        is_tagged = place >= UNTAGGED
        item.categories = [f"All > {SORTS[kind]}"] if is_tagged else []
        maker = kind if kind < 2 else 2 + int(random.integers(2))
        item.brand = MAKERS[maker] if is_tagged else ""
        item.attributes = {"sku": str(number)}
        if kind == 0 and place >= 12:  # too few to be looked into
            item.attributes = {"sku": str(number), "heel": "flat"}
    Item.objects.bulk_update(items.values(), ["categories", "brand", "attributes"])


def suggested() -> dict[str, object]:
    found = execute("suggest", 1)
    assert (found.outcome, found.error) == (Outcome.DONE, "")
    return dict(found.report)


def of(product: Product, field: str = "category") -> Suggestion:
    return Suggestion.objects.get(product_id=product.pk, field=field)


def test_without_a_visual_run_nothing_is_said():
    assert suggested()["note"] == "No visual run is live."


def test_missing_categories_are_what_pictures_say(shop):
    suggested()
    found = Suggestion.objects.filter(field="category")
    assert found.count() == KINDS * UNTAGGED
    for number, product in enumerate(shop):
        kind, place = divmod(number, EACH)
        if place < UNTAGGED:
            assert of(product).value == f"All > {SORTS[kind]}"
            assert of(product).confidence > 0.9
            assert of(product).run is not None


def test_what_cannot_be_seen_is_not_suggested(shop):
    """Two makers make the same sorts in turns: half of what could be said of those is wrong."""
    report = suggested()
    kinds = {shop.index(Product.objects.get(pk=one.product_id)) // EACH for one in brands()}
    assert kinds == {0, 1}
    assert set(report["facts"]) == {"category", "brand"}
    assert 0.6 < report["facts"]["brand"]["right"] < 0.9


def brands() -> list[Suggestion]:
    return list(Suggestion.objects.filter(field="brand"))


def test_a_fact_that_does_not_apply_is_not_missing(shop, settings):
    """Boots have heels. Bags have none, and nobody forgot to say so."""
    settings.RECO_SUGGEST_CONFIDENCE = 0.0
    for item in Item.objects.filter(categories=["All > Shirts"]):
        item.attributes["heel"] = "none"
        item.save()
    suggested()
    told = Suggestion.objects.filter(field="heel").values_list("product_id", "value")
    of_kind = {(shop.index(Product.objects.get(pk=pk)) // EACH, value) for pk, value in told}
    assert of_kind == {(0, "flat"), (1, "none")}


def test_a_floor_above_one_switches_them_off_and_clears_the_open_ones(shop, settings):
    suggested()
    assert Suggestion.objects.exists()
    settings.RECO_SUGGEST_CONFIDENCE = 1.1
    suggested()
    assert not Suggestion.objects.exists()


@pytest.mark.parametrize("state", [Suggestion.State.DECLINED, Suggestion.State.ACCEPTED])
def test_what_was_decided_stays(shop, state):
    suggested()
    product = shop[0]
    Suggestion.objects.filter(product_id=product.pk).update(state=state, value="Something else")
    suggested()
    assert (of(product).state, of(product).value) == (state, "Something else")


def test_open_ones_follow_the_pictures_under_the_same_number(shop):
    suggested()
    before = of(shop[0]).pk
    rows = visualshop.groups(KINDS, EACH)
    rows[0], rows[EACH] = rows[EACH].copy(), rows[0].copy()
    run = visualshop.publish(shop, rows)
    suggested()
    found = of(shop[0])
    assert (found.pk, found.value, found.run) == (before, "All > Shirts", run)


def test_a_fact_that_the_shop_filled_in_is_no_longer_suggested(shop):
    suggested()
    Item.objects.filter(product_id=shop[0].pk).update(categories=["All > Boots"])
    suggested()
    assert not Suggestion.objects.filter(product_id=shop[0].pk, field="category").exists()


def test_variants_do_not_vouch_for_each_other(shop):
    """Pairs of variants share a picture and a brand nobody else has: that says nothing of others."""
    rows = visualshop.groups(KINDS, EACH)
    items = list(Item.objects.all())
    place = {one.pk: at for at, one in enumerate(shop)}
    items.sort(key=lambda item: place[item.pk])
    random = np.random.default_rng(3)
    for at in range(0, len(items), 2):
        rows[at + 1] = rows[at]
        maker = MAKERS[int(random.integers(4))]
        for item in items[at : at + 2]:
            item.brand = maker if at else ""
            item.group_id = shop[at].pk
    Item.objects.bulk_update(items, ["brand", "group"])
    visualshop.publish(shop, rows)
    report = suggested()
    assert report["facts"]["brand"]["right"] < 0.5


def test_of_too_few_known_products_nothing_is_said(shop):
    keep = [one.pk for one in shop[UNTAGGED:40]]
    Item.objects.exclude(product_id__in=keep).update(categories=[], brand="")
    assert suggested()["facts"] == {}


def taught(**config: object) -> Run:
    values = {"kind": "encoder", "trainer": "resnet18", "status": RunStatus.PUBLISHED}
    return Run.objects.create(**values, config={"seed": 0, "encoder": config})


def test_it_is_measured_on_products_that_the_encoder_was_not_taught(shop):
    """What was learnt by heart looks like its kind, and says nothing of products that were not."""
    rows = visualshop.groups(KINDS, EACH)
    visualshop.publish(shop, rows, config={"encoder": taught(holdout=0.5).pk})
    told = suggested()["facts"]["category"]
    known = KINDS * (EACH - UNTAGGED)
    assert told["known"] == known
    assert 0.3 * known < told["measured"] < 0.5 * known
    assert Suggestion.objects.filter(field="category").exists()


def test_too_small_a_hold_out_vouches_for_nothing(shop):
    rows = visualshop.groups(KINDS, EACH)
    visualshop.publish(shop, rows, config={"encoder": taught(holdout=0.05).pk})
    assert suggested()["facts"]["category"]["measured"] < 30
    assert not Suggestion.objects.exists()
