from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from reco_plugin import artefacts
from reco_plugin.exceptions import ArtefactCorrupt
from reco_plugin.jobs.artefacts import Artefact
from reco_plugin.testing.trainers import planted_dataset, small_dataset
from reco_plugin.trainers import packing
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import Features, IdMap, id_map

LEARNT = Learnt(
    item_vectors=np.ones((2, 3), np.float32),
    item_biases=np.zeros(2, np.float32),
    shopper_vectors=np.ones((4, 3), np.float32),
    feature_vectors=np.zeros((0, 3), np.float32),
    feature_biases=np.zeros(0, np.float32),
    epochs=7,
    history=({"epoch": 7.0, "ndcg@10": 0.5},),
    notes=("halved",),
)


@settings(deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from([np.int64, np.float32, np.uint8, "U5"]), hnp.array_shapes(max_dims=2)
    )
)
def test_what_is_saved_is_loaded(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("a") / "x.npz"
    digest = artefacts.save(path, {"file": array, "a.b": array}, {"né": [1, None]})
    arrays, meta = artefacts.load(path, digest)
    assert meta == {"né": [1, None]}
    assert set(arrays) == {"file", "a.b"}
    assert arrays["file"].tobytes() == array.tobytes()
    assert arrays["file"].dtype == array.dtype


def test_nothing_is_left_beside_the_file(tmp_path):
    digest = artefacts.save(tmp_path / "x.npz", {"a": np.arange(3)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
    assert hashlib.sha256((tmp_path / "x.npz").read_bytes()).hexdigest() == digest


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    digest = artefacts.save(path, {"a": np.arange(3)}, {})

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(artefacts.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        artefacts.save(path, {"a": np.arange(4)}, {})
    assert [found.name for found in tmp_path.iterdir()] == ["x.npz"]
    assert len(artefacts.load(path, digest)[0]["a"]) == 3


def test_objects_are_never_pickled(tmp_path):
    with pytest.raises(ValueError, match="'a' holds Python objects"):
        artefacts.save(tmp_path / "x.npz", {"a": np.array([object()])}, {})
    np.savez(tmp_path / "evil.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ArtefactCorrupt, match=r"evil.npz cannot be read"):
        artefacts.load(tmp_path / "evil.npz")


def test_the_name_of_the_meta_is_taken(tmp_path):
    with pytest.raises(ValueError, match="may not be named"):
        artefacts.save(tmp_path / "x.npz", {artefacts.META: np.arange(1)}, {})


@pytest.mark.parametrize("at", [0, 60, -1])
def test_a_changed_byte_is_noticed(tmp_path, at):
    path = tmp_path / "x.npz"
    digest = artefacts.save(path, {"a": np.arange(3)}, {})
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ArtefactCorrupt, match="does not match its checksum"):
        artefacts.load(path, digest)


def test_a_file_cut_short_is_noticed_without_a_checksum(tmp_path):
    path = tmp_path / "x.npz"
    artefacts.save(path, {"a": np.arange(300)}, {})
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ArtefactCorrupt, match="cannot be read"):
        artefacts.load(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ArtefactCorrupt, match=r"gone.npz cannot be read .*Train again"):
        artefacts.load(tmp_path / "gone.npz")


def test_another_format_version_is_told(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    monkeypatch.setattr(artefacts, "FORMAT_VERSION", 99)
    artefacts.save(path, {}, {})
    monkeypatch.undo()
    with pytest.raises(ArtefactCorrupt, match="format version 99; this version reads 1"):
        artefacts.load(path)


# --- datasets and learnt arrays ------------------------------------------------------------------


def same(one, two):
    return one.shape == two.shape and (one != two).nnz == 0 and one.dtype == two.dtype


@pytest.mark.parametrize(
    "keys",
    [[7, 9, 11], [uuid.UUID(int=1), uuid.UUID(int=0), uuid.UUID(int=2**100)], ["a", "née", "c"]],
)
def test_a_dataset_comes_back_whole(tmp_path, keys):
    dataset = replace(small_dataset([[1, 0.5, 0], [0, 0, 2]]), items=id_map(keys))
    features = Features(matrix=dataset.interactions, names=("brand:A", "", "text:ü"))
    dataset = replace(dataset, holdout=dataset.interactions * 2, shopper_features=features)
    digest = packing.save_dataset(tmp_path / "d.npz", dataset)
    found = packing.load_dataset(tmp_path / "d.npz", digest)
    assert found.items.to_python() == keys
    assert found.shoppers.to_python() == dataset.shoppers.to_python()
    assert same(found.interactions, dataset.interactions)
    assert same(found.holdout, dataset.holdout)
    assert found.item_features is None
    assert found.shopper_features.names == features.names
    assert same(found.shopper_features.matrix, features.matrix)


def test_a_planted_dataset_comes_back_whole(tmp_path):
    dataset = planted_dataset()
    packing.save_dataset(tmp_path / "d.npz", dataset)
    found = packing.load_dataset(tmp_path / "d.npz")
    assert same(found.item_features.matrix, dataset.item_features.matrix)


def test_learnt_comes_back_whole(tmp_path):
    digest = packing.save_learnt(tmp_path / "l.npz", LEARNT, {"run": 3})
    found = packing.load_learnt(tmp_path / "l.npz", digest)
    assert (found.epochs, found.history, found.notes) == (7, LEARNT.history, LEARNT.notes)
    assert np.array_equal(found.shopper_vectors, LEARNT.shopper_vectors)
    assert found.feature_vectors.shape == (0, 3)


def test_one_is_not_the_other(tmp_path):
    packing.save_learnt(tmp_path / "l.npz", LEARNT)
    with pytest.raises(ArtefactCorrupt, match="holds a 'learnt', not a 'dataset'"):
        packing.load_dataset(tmp_path / "l.npz")


def test_a_product_born_later_is_as_long_as_those_before_it():
    placed = Artefact(
        items=IdMap(keys=np.arange(2)),
        feature_names=("a", "b", "c"),
        feature_vectors=np.eye(3, 2, dtype=np.float32),
        feature_biases=np.array([1, 2, 3], np.float32),
        feature_norm=2.0,
    )
    rows = sparse.csr_matrix(np.array([[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]], np.float32))
    vectors, biases = placed.placed(rows)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([2, 2, 0])
    assert biases == pytest.approx([1, 1.5, 3])
    as_it_comes, _ = replace(placed, feature_norm=0.0).placed(rows)
    assert as_it_comes == pytest.approx(np.array([[1, 0], [0.5, 0.5], [0, 0]]))
