"""Kinds of picture: found among vectors, shared out to products, found again in another space."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reco_plugin.datasets import feature_rows, features_of
from reco_plugin.datasets.looks import NEAREST, PER_KIND, Looks, unit_rows
from reco_plugin.types import CatalogItem

KINDS, EACH, WIDTH = 6, 40, 16


def planted(seed: int = 0, noise: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around KINDS directions, and whose each is."""
    random = np.random.default_rng(seed)
    centres = unit_rows(random.normal(size=(KINDS, WIDTH)).astype(np.float32))
    kinds = np.repeat(np.arange(KINDS), EACH)
    spread = random.normal(size=(len(kinds), WIDTH)) * noise
    return unit_rows((centres[kinds] + spread).astype(np.float32)), kinds


def found(vectors: np.ndarray, **options) -> Looks:
    looks = Looks.find(vectors, **options)
    assert looks is not None
    return looks


def test_planted_kinds_are_found():
    vectors, kinds = planted()
    looks = found(vectors, grains=(KINDS,))
    shares = looks.features(vectors).matrix.toarray()
    best = shares.argmax(axis=1)
    assert len({(kind, other) for kind, other in zip(kinds, best, strict=True)}) == KINDS
    assert shares.max(axis=1).min() > 1 / NEAREST


def test_the_same_seed_finds_the_same():
    vectors, _ = planted()
    one, two = found(vectors, seed=3), found(vectors, seed=3)
    assert one.names == two.names
    assert all(map(np.array_equal, one.centres, two.centres))


def test_names_say_the_grain_and_the_kind():
    looks = found(planted()[0], grains=(2, 3))
    assert looks.names == ("look:2/0", "look:2/1", "look:3/0", "look:3/1", "look:3/2")
    assert looks.sizes == (2, 3)


def test_a_small_catalogue_has_fewer_kinds():
    vectors, _ = planted()
    assert found(vectors).sizes == (len(vectors) // PER_KIND,)
    assert found(vectors[: 2 * PER_KIND]).sizes == (2,)
    assert Looks.find(vectors[: 2 * PER_KIND - 1]) is None
    assert Looks.find(vectors[:0]) is None


def test_products_without_a_picture_have_no_look_and_do_not_count():
    vectors, _ = planted()
    vectors[::2] = 0
    looks = found(vectors)
    assert looks.sizes == (len(vectors) // 2 // PER_KIND,)
    rows = np.diff(looks.features(vectors).matrix.indptr)
    assert (rows[::2] == 0).all()
    assert (rows[1::2] > 0).all()


def test_vectors_that_are_all_alike():
    same = np.ones((100, 4), np.float32)
    looks = found(same)
    sums = np.asarray(looks.features(same).matrix.sum(axis=1)).ravel()
    assert sums == pytest.approx(1)


numbers = st.floats(-10, 10, width=32)


@given(arrays.arrays(np.float32, (20, WIDTH), elements=numbers), st.integers(0, 5))
def test_rows_add_up_to_one_or_to_nothing(wild, seed):
    looks = found(planted(seed)[0], seed=seed)
    matrix = looks.features(wild).matrix
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    wanted = unit_rows(wild).any(axis=1).astype(float)
    assert sums == pytest.approx(wanted, abs=1e-5)
    assert (matrix.data > 0).all()
    assert np.diff(matrix.indptr).max() <= NEAREST * len(looks.sizes)


@given(st.integers(0, 200))
def test_a_slightly_different_picture_has_nearly_the_same_look(seed):
    looks = found(planted()[0], grains=(4, 12))
    random = np.random.default_rng(seed)
    one = unit_rows(random.normal(size=(1, WIDTH)).astype(np.float32))
    other = one + random.normal(size=one.shape).astype(np.float32) * 1e-5
    apart = abs(looks.features(one).matrix - looks.features(other).matrix).sum()
    assert apart < 0.01


def test_nothing_in_is_nothing_out():
    looks = found(planted()[0])
    assert looks.features(np.zeros((0, WIDTH), np.float32)).matrix.shape == (0, len(looks.names))


def test_numbers_that_are_none_are_no_picture():
    looks = found(planted()[0])
    broken = np.full((1, WIDTH), np.nan, np.float32)
    assert looks.features(broken).matrix.nnz == 0


def test_kinds_are_found_again_in_another_space():
    """As after another encoder was trained: other axes, other width, the same products."""
    vectors, _ = planted()
    looks = found(vectors, grains=(KINDS,))
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(WIDTH + 5, WIDTH)))[0]
    elsewhere = (vectors @ turn.T).astype(np.float32)
    moved = looks.among(elsewhere[looks.anchor_rows])
    before = looks.features(vectors).matrix.toarray().argmax(axis=1)
    after = moved.features(elsewhere).matrix.toarray().argmax(axis=1)
    assert (before == after).mean() > 0.99


def test_kinds_without_their_products_are_nobodys():
    vectors, _ = planted()
    looks = found(vectors, grains=(KINDS,))
    anchors = vectors[looks.anchor_rows].copy()
    gone = looks.anchors[0][0]
    anchors[np.isin(looks.anchor_rows, gone)] = 0
    assert looks.among(anchors).features(vectors).matrix[:, 0].nnz == 0
    assert looks.among(np.zeros_like(anchors)).features(vectors).matrix.nnz == 0


# --- as a family of features ---------------------------------------------------------------------


def item(**values) -> CatalogItem:
    return CatalogItem(**{"key": 1, **values})


def test_a_look_weighs_as_much_as_any_other_family():
    vectors, _ = planted()
    looks = found(vectors, grains=(2, 12))
    products = [item(brand=f"B{row % 2}", categories=("Shoes",)) for row in range(len(vectors))]
    vectors[0] = 0
    features = features_of(products, looks.features(vectors))
    assert set(looks.names) < set(features.names)
    columns = [at for at, name in enumerate(features.names) if name in looks.names]
    shares = np.asarray(features.matrix[:, columns].sum(axis=1)).ravel()
    assert shares[0] == 0
    assert shares[1:] == pytest.approx(1 / 3, abs=1e-6)
    assert np.asarray(features.matrix.sum(axis=1)).ravel() == pytest.approx(1, abs=1e-6)


def test_products_born_later_get_the_row_they_would_have_had():
    vectors, _ = planted()
    looks = found(vectors, grains=(2, 12))
    products = [item(brand=f"B{row % 2}") for row in range(len(vectors))]
    whole = features_of(products, looks.features(vectors))
    again = feature_rows(products[:9], whole.names, looks.features(vectors[:9]))
    assert abs(again - whole.matrix[:9]).max() < 1e-6


def test_a_look_that_the_run_does_not_know_is_passed_over():
    vectors, _ = planted()
    names = features_of([item(brand="B")] * 3).names
    rows = feature_rows([item(brand="B")], names, found(vectors).features(vectors[:1]))
    assert rows.toarray().tolist() == [[1.0]]
