from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reco_plugin import artefacts
from reco_plugin.encoders import weights as files
from reco_plugin.encoders.weights import Block, Weights, embedding
from reco_plugin.exceptions import EncoderUnavailable

BLOCKS = (Block(name="category", size=3, share=0.75), Block(name="colour", size=2, share=0.25))
SOME = Weights(
    architecture="resnet18",
    size=32,
    blocks=BLOCKS,
    classes={"category": ("shoe", "hat"), "colour": ("red", "blue")},
    arrays={
        "body.conv1.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "project.bias": np.zeros(5, np.float32),
        "heads.0": np.ones((2, 3), np.float32),
    },
    notes=("made by hand",),
)


def test_what_is_saved_is_read_again(tmp_path):
    digest = files.save(tmp_path / "w.npz", SOME)
    found = files.load(tmp_path / "w.npz", digest)
    for name in (
        "architecture",
        "size",
        "stem",
        "mean",
        "std",
        "blocks",
        "classes",
        "notes",
        "flip",
    ):
        assert getattr(found, name) == getattr(SOME, name), name
    assert found.arrays.keys() == SOME.arrays.keys()
    assert found.fingerprint == SOME.fingerprint
    assert found.dimension == 5


def test_a_network_without_blocks_gives_its_features():
    assert replace(SOME, blocks=()).dimension == 512
    assert replace(SOME, blocks=(), architecture="resnet50").dimension == 2048


@pytest.mark.parametrize(
    "change",
    [
        {"size": 64},
        {"flip": True},
        {"stem": "small"},
        {"mean": (0.5, 0.5, 0.5)},
        {"blocks": BLOCKS[::-1]},
        {"arrays": {**SOME.arrays, "project.bias": np.ones(5, np.float32)}},
        {"arrays": {**SOME.arrays, "project.bias": np.zeros(5, np.float16)}},
    ],
)
def test_the_fingerprint_is_of_all_that_an_embedding_depends_on(change):
    assert replace(SOME, **change).fingerprint != SOME.fingerprint


def test_what_heads_say_does_not_change_the_fingerprint():
    other = {**SOME.arrays, "heads.0": np.zeros((2, 3), np.float32)}
    assert replace(SOME, arrays=other, notes=()).fingerprint == SOME.fingerprint


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + b"\0" * 40])
def test_a_corrupt_file_is_refused(tmp_path, content):
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(EncoderUnavailable, match="no usable file of weights"):
        files.load(tmp_path / "w.npz")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(EncoderUnavailable, match="no usable file"):
        files.load(tmp_path / "nowhere.npz")


def test_a_file_with_another_checksum_is_refused(tmp_path):
    files.save(tmp_path / "w.npz", SOME)
    with pytest.raises(EncoderUnavailable, match="checksum"):
        files.load(tmp_path / "w.npz", "0" * 64)


def test_a_file_of_something_else_is_refused(tmp_path):
    artefacts.save(tmp_path / "w.npz", {"a": np.zeros(1)}, {"kind": "personal"})
    with pytest.raises(EncoderUnavailable, match="not written as one"):
        files.load(tmp_path / "w.npz")


def test_numbers_that_are_none_are_refused(tmp_path):
    files.save(tmp_path / "w.npz", replace(SOME, arrays={"project.bias": np.array([np.nan])}))
    with pytest.raises(EncoderUnavailable, match=r"not finite, in project\.bias"):
        files.load(tmp_path / "w.npz")


def test_a_network_nobody_knows_is_refused():
    with pytest.raises(EncoderUnavailable, match="no network 'vgg'"):
        replace(SOME, architecture="vgg")


def test_shares_are_made_to_sum_to_one():
    found = SOME.with_shares({"category": 6.0, "colour": 2.0})
    assert [block.share for block in found.blocks] == [0.75, 0.25]


@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 5), st.just(5)), elements=st.floats(-4, 4, width=32)
    )
)
def test_an_embedding_has_length_one_and_cosines_add_up(raw):
    raw = raw + np.array([9, 0, 0, 9, 0], np.float32)  # no block of nothing
    rows = embedding(raw, BLOCKS)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    one, other = (embedding(raw[:, part], ()) for part in (slice(0, 3), slice(3, 5)))
    assert np.allclose(rows @ rows.T, 0.75 * one @ one.T + 0.25 * other @ other.T, atol=1e-5)
