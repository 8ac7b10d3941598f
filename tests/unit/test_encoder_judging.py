from __future__ import annotations

import numpy as np
import pytest

from reco_plugin.encoders.judging import Judge
from reco_plugin.encoders.weights import Block, embedding

N = 60
KIND = (np.arange(N) % 3).astype(np.int32)
HUE = (np.arange(N) // 30).astype(np.int32)
HELD = np.arange(N) % 5 == 0
PRODUCTS = np.arange(N, dtype=np.int32)


def judge(**change):
    settings = {
        "held": HELD,
        "products": PRODUCTS,
        "labels": {"kind": KIND, "hue": HUE},
        "most": 100,
        "seed": 0,
    }
    return Judge.of(**{**settings, **change})


def test_perfect_vectors_have_perfect_figures():
    own = judge()
    figures = own(lambda rows: np.eye(6, dtype=np.float32)[KIND[rows] + 3 * HUE[rows]])
    assert figures["precision@10 hue"] > 0.9
    assert figures["precision@10"] == figures["precision@10 kind"]
    # each of the six groups has ten pictures, the query among them
    assert figures["together@10"] == pytest.approx(0.9)


def test_held_out_pictures_are_the_queries_and_come_first():
    own = judge()
    assert own.rows[: own.queries].tolist() == np.flatnonzero(HELD).tolist()
    assert sorted(own.rows) == list(range(N))


def test_a_large_catalogue_is_sampled_the_same_way_each_time():
    own, again = judge(most=10), judge(most=10)
    assert len(own.rows) == HELD.sum() + 10
    assert np.array_equal(own.rows, again.rows)


def test_pictures_of_the_same_product_count_for_nothing():
    twins = judge(products=(PRODUCTS // 2).astype(np.int32))
    figures = twins(lambda rows: np.eye(N, dtype=np.float32)[rows // 2 * 2])
    assert figures["precision@10"] < 0.6


def test_without_attributes_the_other_pictures_of_a_product_are_looked_for():
    own = judge(labels={}, products=(np.arange(N) // 6).astype(np.int32))
    found = own(lambda rows: np.eye(10, dtype=np.float32)[rows // 6])
    assert found == {"score": pytest.approx(0.5)}


def test_shares_are_those_that_find_best():
    random = np.random.default_rng(0)
    blocks = (Block(name="noise", size=4, share=0.9), Block(name="kind", size=3, share=0.1))
    own = judge()
    raw = np.hstack([random.normal(size=(N, 4)), np.eye(3)[KIND]]).astype(np.float32)[own.rows]
    vectors = embedding(raw, blocks)
    found = own.shares(vectors, blocks)
    assert sum(block.share for block in found) == pytest.approx(1)
    assert found[1].share > 0.5
    after = own.judged(embedding(vectors, found))
    assert after["score"] > own.judged(vectors)["score"]


def test_one_block_has_the_whole_share():
    only = (Block(name="kind", size=3, share=1.0),)
    own = judge()
    assert own.shares(np.eye(3, dtype=np.float32)[KIND[own.rows]], only) == only
