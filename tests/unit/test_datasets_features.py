from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.datasets import feature_rows, features_of, shopper_features
from reco_plugin.datasets.features import normalised
from reco_plugin.datasets.prices import bands, in_band
from reco_plugin.types import CatalogItem


def item(**facts):
    return CatalogItem(key=1, **facts)


SHOES = item(
    title="Red leather boots",
    categories=("Women > Shoes > Boots",),
    brand="Acme",
    price=80.0,
    tags=("new",),
    attributes={"colour": "red"},
)

items = st.builds(
    CatalogItem,
    key=st.integers(),
    title=st.text("ab cd", max_size=20),
    categories=st.lists(st.sampled_from(["A > B", "A > C", "D", ""]), max_size=3).map(tuple),
    brand=st.sampled_from(["", "x", "y"]),
    price=st.none() | st.floats(),
    tags=st.lists(st.sampled_from(["s", "t"]), max_size=2).map(tuple),
    attributes=st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from("mn"), max_size=2),
)


@given(st.lists(items, max_size=30))
def test_rows_add_up_to_one_and_are_finite(products):
    found = features_of(products)
    sums = np.asarray(found.matrix.sum(axis=1)).ravel()
    assert found.matrix.shape == (len(products), len(found.names))
    assert found.matrix.dtype == np.float32
    assert np.isfinite(found.matrix.data).all()
    assert all(total == 0 or total == pytest.approx(1, abs=1e-5) for total in sums)


@given(st.lists(items, max_size=30))
def test_a_product_born_later_gets_the_row_it_would_have_had(products):
    found = features_of(products)
    assert (feature_rows(products, found.names) != found.matrix).nnz == 0


def test_every_category_above_counts():
    names = features_of([SHOES]).names
    for path in ("Women", "Women > Shoes", "Women > Shoes > Boots"):
        assert f"category:{path}" in names
    assert "brand:Acme" in names


def test_rare_and_common_words_are_left_out():
    titles = ["same rare", *["same often"] * 9, *["same else"] * 90]
    names = features_of([item(title=title) for title in titles]).names
    assert [name for name in names if name.startswith("text:")] == ["text:often"]


def test_attributes_that_nothing_shares_are_left_out():
    products = [item(attributes={"sku": str(i), "colour": "red"}) for i in range(10_000)]
    assert features_of(products).names == ("attribute:colour=red",)


def test_families_weigh_the_same():
    long = item(brand="Acme", title=" ".join(["one two three four five six seven"] * 3))
    others = [item(brand="Zeta") for _ in range(10)]
    found = features_of([long, long, long, *others])
    row = dict(zip(found.names, found.matrix[0].toarray()[0], strict=True))
    assert row["brand:Acme"] == pytest.approx(0.5)
    assert row["text:three"] == pytest.approx(0.5 / 7)


def test_no_category_no_price_nothing_at_all():
    found = features_of([item(), item(price=math.nan), item(price=math.inf), SHOES])
    assert np.diff(found.matrix.indptr)[:3].tolist() == [0, 0, 0]
    assert features_of([]).matrix.shape == (0, 0)
    assert feature_rows([SHOES], ()).shape == (1, 0)


def test_huge_and_broken_numbers_are_tamed():
    wild = sparse.csr_matrix(np.asarray([[1e4, 3e4], [np.nan, np.inf], [0, 0]], np.float32))
    assert normalised(wild).toarray().tolist() == [[0.25, 0.75], [0, 0], [0, 0]]


def test_price_bands_hold_about_as_many_products():
    prices = [float(price) for price in range(1, 801)]
    edges = bands(prices)
    counts = {
        edge: sum(in_band(price, edges) == (f"price:{edge!r}",) for price in prices)
        for edge in edges
    }
    assert len(edges) == 8
    assert all(90 <= count <= 110 for count in counts.values())
    assert in_band(0.5, edges) == in_band(1.0, edges)
    assert in_band(1e9, edges) == (f"price:{edges[-1]!r}",)
    assert in_band(-1.0, edges) == in_band(None, edges) == ()


def test_shoppers_favour_what_their_weight_is_on():
    other = item(categories=("Men",), price=10.0)
    products = features_of([SHOES, other, item()])
    behaviour = sparse.csr_matrix(np.asarray([[3, 1, 0], [0, 2, 0], [0, 0, 1]], np.float32))
    found = shopper_features(behaviour, products)
    assert found.matrix.shape[0] == 3
    tastes = [{found.names[column] for column in found.matrix[row].indices} for row in range(3)]
    assert tastes[0] == {"favours:category:Women", "favours:price:80.0"}
    assert tastes[1] == {"favours:category:Men", "favours:price:10.0"}
    assert tastes[2] == set()
    assert np.asarray(found.matrix.sum(axis=1)).ravel().tolist() == [1, 1, 0]
