"""Several pictures make one vector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.encoders.aggregate import MAIN, aggregate, unit


def rows(*values):
    return unit(np.asarray(values, np.float32))


def whole(*values):
    return np.asarray(values, np.int32)


def test_a_single_picture_is_the_product():
    numbers, found = aggregate(rows([3, 4]), whole(7), whole(0))
    assert numbers.tolist() == [7]
    assert found[0] == pytest.approx([0.6, 0.8])


def test_the_main_picture_leads_however_many_follow():
    vectors = rows([1, 0], *[[0, 1]] * 9)
    _, found = aggregate(vectors, whole(*[1] * 10), whole(*range(10)))
    assert found[0] == pytest.approx(unit(np.array([[MAIN, 1 - MAIN]]))[0], abs=1e-6)
    assert found[0, 0] > found[0, 1]


def test_where_the_main_picture_cannot_be_read_the_next_one_leads():
    _, found = aggregate(rows([0, 1], [1, 0]), whole(5, 5), whole(3, 1))
    assert found[0, 0] > found[0, 1]


def test_pictures_that_cancel_each_other_out_leave_the_first():
    opposite = rows([1.0, 0.0], [-MAIN, 0.0])
    opposite[1] *= MAIN / (1 - MAIN)  # no unit row: the very case
    _, found = aggregate(opposite, whole(1, 1), whole(0, 1))
    assert found[0].tolist() == [1.0, 0.0]


def test_no_pictures_make_no_products():
    numbers, found = aggregate(np.zeros((0, 4), np.float32), whole(), whole())
    assert (len(numbers), found.shape) == (0, (0, 4))


@given(owners=st.lists(st.integers(0, 6), min_size=1, max_size=40), seed=st.integers(0, 2**32 - 1))
def test_every_product_has_one_unit_row_whatever_the_order(owners, seed):
    random = np.random.default_rng(seed)
    vectors = unit(random.normal(size=(len(owners), 5)))
    products, positions = whole(*owners), whole(*range(len(owners)))
    numbers, found = aggregate(vectors, products, positions)
    assert numbers.tolist() == sorted(set(owners))
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(len(found)), abs=1e-5)
    shuffled = random.permutation(len(owners))
    _, again = aggregate(vectors[shuffled], products[shuffled], positions[shuffled])
    assert np.allclose(found, again, atol=1e-6)
