from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reco_plugin.encoders.sampling import Epochs, Partners, held_out

PRODUCTS = np.array([5, 5, 7, 8, 8, 9, 11, 12], np.int32)
PAIRS = np.array([[5, 7], [9, 5], [7, 5], [8, 8], [11, 99]], np.int32)


def epochs(**change):
    settings = {
        "rows": np.arange(8),
        "products": PRODUCTS,
        "partners": Partners.of(PAIRS, PRODUCTS),
        "batch": 4,
        "seed": 3,
    }
    return Epochs(**{**settings, **change})


@given(
    hnp.arrays(np.int32, st.integers(1, 60), elements=st.integers(0, 20)),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_a_product_is_held_out_whole_or_not_at_all(products, share, seed):
    held = held_out(products, share, seed)
    assert not set(products[held]) & set(products[~held])
    assert len(set(products[held])) == round(share * len(set(products)))
    order = np.random.default_rng(0).permutation(len(products))
    assert np.array_equal(held_out(products[order], share, seed), held[order])


def test_another_seed_holds_out_others():
    many = np.arange(200, dtype=np.int32)
    assert not np.array_equal(held_out(many, 0.2, 0), held_out(many, 0.2, 1))


def test_partners_go_both_ways_and_are_of_products_that_are_here():
    found = Partners.of(PAIRS, PRODUCTS)
    pairs = {(int(a), int(b)) for a, b in zip(found.first, found.second, strict=True)}
    assert pairs == {(5, 7), (7, 5), (5, 9), (9, 5)}


def test_who_is_a_partner_of_whom():
    found = Partners.of(PAIRS, PRODUCTS).among(np.array([5, 7, 9, 12], np.int32))
    assert found.tolist() == [
        [False, True, True, False],
        [True, False, False, False],
        [True, False, False, False],
        [False] * 4,
    ]


def test_a_partner_is_drawn_of_each_who_has_one():
    found = Partners.of(PAIRS, PRODUCTS).drawn(
        np.array([5, 7, 12], np.int32), np.random.default_rng(0)
    )
    assert found[0] in (7, 9)
    assert found[1:].tolist() == [5, -1]


def test_without_pairs_there_are_no_partners():
    none = Partners.of(np.zeros((0, 2), np.int32), PRODUCTS)
    assert len(none) == 0
    assert not none.among(PRODUCTS).any()
    assert none.drawn(PRODUCTS, np.random.default_rng(0)).tolist() == [-1] * 8


def test_an_epoch_is_the_same_each_time_and_unlike_the_next():
    one, again, other = (list(epochs()(epoch)) for epoch in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_without_partners_an_epoch_looks_at_every_picture_once():
    none = Partners.of(np.zeros((0, 2), np.int32), PRODUCTS)
    rows = np.concatenate(list(epochs(partners=none)(1)))
    assert sorted(rows.tolist()) == list(range(8))


def test_partners_take_a_share_of_the_places():
    many = np.arange(100, dtype=np.int32)
    pairs = np.stack([many[:50], many[50:]], axis=1)
    found = epochs(
        rows=np.arange(100),
        products=many,
        partners=Partners.of(pairs, many),
        batch=20,
        paired=0.25,
    )
    for rows in found(1):
        wanted = [(row + 50) % 100 for row in rows[:5]]
        assert rows[-5:].tolist() == wanted


def test_only_pictures_that_train_are_looked_at():
    many = np.arange(40, dtype=np.int32)
    pairs = np.stack([many[:20], many[20:]], axis=1)
    found = epochs(
        rows=np.arange(20), products=many, partners=Partners.of(pairs, many[:20]), batch=10
    )
    assert max(rows.max() for rows in found(1)) < 20


def test_a_handful_of_pictures_is_one_batch():
    assert len(epochs(batch=100)) == 1
    assert [len(rows) for rows in epochs(batch=100, paired=0.0)(1)] == [8]


@pytest.mark.parametrize("shape", [(0, 2), (0,)])
def test_no_pairs_may_have_any_shape(shape):
    assert len(Partners.of(np.zeros(shape, np.int32), PRODUCTS)) == 0
