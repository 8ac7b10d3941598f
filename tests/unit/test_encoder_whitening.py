"""Fewer numbers, where they find as well."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin import artefacts
from reco_plugin.encoders import whitening
from reco_plugin.encoders.aggregate import unit
from reco_plugin.encoders.whitening import Whitening, choose


def planted(n=600, kinds=8, noise=0.05, nuisance=3.0, width=24, seed=0):
    """Unit rows in which what tells kinds apart is small beside what all share and two loud directions."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, kinds, n).astype(np.int32)
    found = random.normal(scale=noise, size=(n, width))
    found[:, :kinds] += np.eye(kinds)[kind]
    found[:, kinds : kinds + 2] += random.normal(scale=nuisance, size=(n, 2))
    found += 1.0
    return unit(found), kind


def test_what_is_loud_and_says_nothing_is_whitened_away():
    vectors, kind = planted()
    found = choose(vectors, {"kind": kind}, 16)
    assert found.whitening is not None
    assert found.figures["pca1"] > found.figures["as they are"] + 0.1
    assert found.words.startswith("Whitened: precision@10 ")
    assert found(vectors).shape == (600, 16)


def test_vectors_that_would_lose_stay_as_they_are():
    vectors, kind = planted(nuisance=0.0, kinds=8)
    found = choose(vectors, {"kind": kind}, 1)
    assert found.whitening is None
    assert found.words.startswith("Not whitened")
    assert found(vectors) is vectors


def test_shorter_vectors_that_find_as_well_are_taken():
    vectors, kind = planted(nuisance=0.0)
    found = choose(vectors, {"kind": kind}, 12)
    assert found.whitening is not None
    assert found.whitening.dimension == 12


@pytest.mark.parametrize(
    ("n", "dimension", "labels"),
    [(100, 8, {"kind": np.zeros(100, np.int32)}), (300, 0, {}), (300, 8, {})],
)
def test_with_too_little_to_measure_on_nothing_is_done(n, dimension, labels):
    vectors, _ = planted(n)
    found = choose(vectors, labels, dimension)
    assert found.whitening is None
    assert found.words.startswith("Not tried")


def test_labels_that_hardly_any_product_has_do_not_decide():
    vectors, kind = planted()
    rare = np.full(600, -1, np.int32)
    rare[:5] = 1
    assert choose(vectors, {"rare": rare}, 8).words.startswith("Not tried")
    figures = choose(vectors, {"rare": rare, "kind": kind}, 8).figures
    assert figures == choose(vectors, {"kind": kind}, 8).figures


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 40), width=st.integers(2, 12))
def test_it_gives_finite_unit_rows_of_any_vectors(seed, n, width):
    random = np.random.default_rng(seed)
    vectors = unit(random.normal(size=(n, width)) * random.integers(0, 2, (n, 1)))
    for power in whitening.POWERS:
        found = Whitening.fitted(vectors, 4, power)(vectors)
        lengths = np.linalg.norm(found, axis=1)
        assert np.isfinite(found).all()
        assert ((np.abs(lengths - 1) < 1e-3) | (lengths < 1e-3)).all()
        assert found.shape[1] == min(4, n, width)


def test_all_of_one_kind_is_no_division_by_zero():
    vectors = np.ones((50, 6), np.float32) / np.sqrt(np.float32(6))
    assert np.isfinite(Whitening.fitted(vectors, 3)(vectors)).all()


def test_whole_whitening_makes_every_direction_count_alike():
    vectors, _ = planted()
    fitted = Whitening.fitted(vectors, 6)
    spread = ((vectors - fitted.mean) @ fitted.matrix).std(axis=0)
    assert spread == pytest.approx(np.ones(6), rel=1e-2)


def test_it_is_read_back_as_it_was_written(tmp_path):
    vectors, _ = planted(60)
    fitted = Whitening.fitted(vectors, 6)
    digest = artefacts.save(tmp_path / "visual-1.npz", fitted.as_arrays(), {"kind": "visual"})
    found = whitening.read(tmp_path / "visual-1.npz", digest)
    assert np.array_equal(found(vectors), fitted(vectors))
    artefacts.save(tmp_path / "visual-2.npz", {}, {"kind": "visual"})
    assert whitening.read(tmp_path / "visual-2.npz") is None
