"""Which products are held out, and that they stay so."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.encoders.sampling import held_out

PRODUCTS = st.sets(st.integers(0, 2**31 - 1), min_size=1, max_size=200)


@given(products=PRODUCTS, seed=st.integers(0, 2**31 - 1), share=st.floats(0.0, 1.0))
def test_a_share_of_the_products_with_all_their_pictures(products, seed, share):
    pictures = np.asarray(sorted(products) * 3, np.int32)
    held = held_out(pictures, share, seed)
    out = {*pictures[held].tolist()}
    assert len(out) == round(share * len(products))
    assert held.sum() == 3 * len(out)
    shuffled = np.random.default_rng(0).permutation(pictures)
    assert {*shuffled[held_out(shuffled, share, seed)].tolist()} == out


@given(seed=st.integers(0, 1_000))
def test_products_that_come_leave_most_of_the_hold_out_as_it_was(seed):
    before = np.arange(1_000, dtype=np.int32) * 7
    after = np.concatenate([before, before[-100:] + 1])
    out = {*before[held_out(before, 0.1, seed)].tolist()}
    later = {*after[held_out(after, 0.1, seed)].tolist()}
    assert len(out & later) >= 80


def test_another_seed_holds_out_others():
    products = np.arange(2_000, dtype=np.int32)
    one, other = held_out(products, 0.5, 0), held_out(products, 0.5, 1)
    assert 0.4 < (one == other).mean() < 0.6
