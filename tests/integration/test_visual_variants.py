"""Sizes of one shirt show one picture: they must not crowd other shirts out of what looks alike."""

from __future__ import annotations

import numpy as np
import pytest
import visualshop
from testapp.models import Product

from reco_plugin.jobs import picture_vectors, visual
from reco_plugin.models import Item, Picture, PictureState, PictureVector

pytestmark = pytest.mark.django_db
ENCODER = "e" * 64


def seen(*products: Product) -> None:
    """Each shows a picture that was looked at."""
    for product in products:
        picture = visualshop.picture(product, product.label.replace(" ", ""))
        PictureVector.objects.create(
            encoder=ENCODER,
            content_hash=picture.content_hash,
            vector=np.array([1, 0], dtype="<f2").tobytes(),
        )


def variants(of: Product, *products: Product) -> None:
    Item.objects.filter(pk__in=[one.pk for one in products]).update(group=of)


def keys() -> set[object]:
    """Products with a place of their own, as both ways of reading have it."""
    read = {key for key, *_ in picture_vectors.read(1, ENCODER)}
    assert set(visual.signs(1, ENCODER)) == read
    return read


def test_variants_stand_behind_their_product() -> None:
    shirt, small, large, other = visualshop.products(4)
    seen(shirt, small, large, other)
    variants(shirt, small, large)
    assert keys() == {shirt.pk, other.pk}


def test_variants_of_a_product_without_pictures_stand_for_themselves() -> None:
    shirt, red, blue = visualshop.products(3)
    seen(red, blue)
    variants(shirt, red, blue)
    assert keys() == {red.pk, blue.pk}
    seen(shirt)
    assert keys() == {shirt.pk}
    Picture.objects.filter(product_id=shirt.pk).update(state=PictureState.QUARANTINED)
    assert keys() == {red.pk, blue.pk}
