"""What is near in the space of pictures is near on the map; whatever comes in, places come out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reco_plugin.encoders.plane import plane, principal_axes


def units(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(norms > 0, rows / np.maximum(norms, 1e-9), np.eye(1, rows.shape[1])).astype(
        "f4"
    )


def grouped(count, each, seed=0):
    random = np.random.default_rng(seed)
    middles = np.repeat(random.normal(size=(count, 24)), each, axis=0)
    return units(middles + 0.4 * random.normal(size=middles.shape))


def test_members_of_a_group_stand_together():
    rows, group = grouped(6, 20), np.repeat(np.arange(6), 20)
    places = plane(rows, rounds=250)
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = group[apart.argsort(axis=1)[:, :5]]
    assert (nearest == group[:, None]).mean() > 0.95


def test_the_same_rows_have_the_same_places():
    rows = grouped(3, 10)
    assert np.array_equal(plane(rows, rounds=30), plane(rows.copy(), rounds=30))


def test_it_tells_how_far_it_is():
    heard = []
    plane(grouped(2, 5), rounds=7, told=lambda done, total: heard.append((done, total)))
    assert heard == [(number, 7) for number in range(1, 8)]


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 12), st.integers(1, 5)),
        elements=st.floats(-1, 1),
    )
)
def test_places_are_finite_and_within_the_page(rows):
    places = plane(units(rows), rounds=20)
    assert places.shape == (len(rows), 2)
    assert np.isfinite(places).all()
    assert ((places >= 0) & (places <= 1)).all()


@pytest.mark.parametrize("copies", [2, 5, 40])
def test_pictures_that_are_all_the_same_are_no_trouble(copies):
    places = plane(np.tile(units(np.ones((1, 8))), (copies, 1)), rounds=50)
    assert np.isfinite(places).all()


def test_the_first_axis_is_that_of_most_variance():
    random = np.random.default_rng(1)
    rows = random.normal(size=(200, 3)) * (1, 5, 0.1)
    along = principal_axes(rows.astype("f4"))
    assert abs(np.corrcoef(along[:, 0], rows[:, 1])[0, 1]) > 0.99
    assert along.std(axis=0)[0] > along.std(axis=0)[1]
