from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.encoders.recipe import ALL, Recipe, blocks_for, read, usable


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"architecture": "resnet81"}, "did you mean 'resnet18'"),
        ({"stem": "x"}, "stem must be one of"),
        ({"precision": "float61"}, "precision must be one of"),
        ({"size": 16}, "at least 32 pixels"),
        ({"batch": 1}, "batch must be at least 2"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"learning_rate": float("nan")}, "positive, finite"),
        ({"weight_decay": -1.0}, "must not be negative"),
        ({"average": 1.0}, "from 0 up to below 1"),
        ({"crop": 0.0}, "above 0"),
        ({"holdout": 0.6}, "at most a half"),
        ({"epochs": "many"}, "must be int"),
    ],
)
def test_nonsense_is_refused(config, words):
    with pytest.raises(ValueError, match=words):
        read(config)


@given(st.integers(1, 80), st.sampled_from([(64, 96), (48, 128), (96, 96), (128, 64)]))
def test_pictures_grow_from_epoch_to_epoch_up_to_their_size(epochs, sizes):
    taught = Recipe(epochs=epochs, first_size=sizes[0], size=sizes[1])
    found = [taught.size_at(epoch) for epoch in range(1, epochs + 1)]
    assert found == sorted(found)
    assert found[-1] == taught.size or epochs < 3
    assert min(found) >= min(sizes)


def test_the_rate_rises_and_falls_once():
    taught = Recipe(learning_rate=0.1)
    rates = [taught.rate_at(done / 100) for done in range(101)]
    height = int(np.argmax(rates))
    assert height == 10
    assert rates[height] == pytest.approx(0.1)
    assert rates[:height] == sorted(rates[:height])
    assert rates[height:] == sorted(rates[height:], reverse=True)
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)


@given(st.dictionaries(st.text(min_size=1), st.integers(2, 5_000), max_size=6))
def test_shares_sum_to_one_and_blocks_are_bounded(counts):
    blocks = blocks_for(counts, Recipe(block=64))
    assert sum(block.share for block in blocks) == pytest.approx(1.0)
    assert [block.name for block in blocks] == (list(counts) or [ALL])
    assert all(8 <= block.size <= 64 for block in blocks) or not counts


def test_labels_that_tell_nothing_apart_are_left_out():
    train = np.array([True, True, True, False])
    found = usable(
        {
            "good": np.array([0, 1, -1, 0]),
            "one value": np.array([2, 2, -1, 0]),
            "unknown": np.full(4, -1),
        },
        train,
    )
    assert list(found) == ["good"]


@pytest.mark.parametrize(
    ("pictures", "epochs"), [(6_000, 60), (10_000, 60), (20_000, 30), (10_000_000, 1), (0, 60)]
)
def test_a_large_catalogue_needs_fewer_passes(pictures, epochs):
    assert Recipe(epochs=60, most=600_000).within(pictures).epochs == epochs
