from __future__ import annotations

import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.datasets.interning import Interner
from reco_plugin.datasets.keys import IntegerKeys, TextKeys, UuidKeys, in_order

keys = st.lists(st.integers(0, 40), max_size=60)


@given(st.lists(keys, max_size=6))
def test_equal_keys_share_a_row_and_others_do_not(blocks):
    interner, met = Interner(2), {}
    for block in blocks:
        words = np.asarray([[key, key * 7] for key in block], np.uint64).reshape(-1, 2)
        for key, row in zip(block, interner.add(words).tolist(), strict=True):
            assert met.setdefault(key, row) == row
    assert sorted(met.values()) == list(range(len(interner)))
    for key, row in met.items():
        assert interner.keys[row].tolist() == [key, key * 7]


def test_growth_keeps_rows():
    interner = Interner(1, expected=4)
    words = np.random.default_rng(0).permutation(50_000).astype(np.uint64)[:, None]
    rows = np.concatenate([interner.add(part) for part in np.array_split(words, 40)])
    assert (interner.find(words) == rows).all()
    assert len(np.unique(rows)) == len(words) == len(interner)


def test_find_adds_nothing():
    interner = Interner(1)
    interner.put(np.asarray([[5], [3]], np.uint64))
    assert interner.find(np.asarray([[3], [4], [5]], np.uint64)).tolist() == [1, -1, 0]
    assert len(interner) == 2


KINDS = [
    (IntegerKeys(), st.integers(-(2**63), 2**63 - 1)),
    (UuidKeys(), st.uuids()),
    (TextKeys(), st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))),
]


@pytest.mark.parametrize(("kind", "one"), KINDS, ids=["int", "uuid", "text"])
def test_id_maps_round_trip(kind, one):
    @given(st.lists(one, unique=True, max_size=20))
    def check(some):
        packed = kind.pack(some)
        found = kind.id_map(kind.unpack(packed, kind.width(packed)))
        assert found.to_python() == some
        assert [found.row(key) for key in some] == list(range(len(some)))

    check()


def test_a_text_key_longer_than_any_known_equals_none():
    kind = TextKeys()
    known = kind.unpack(kind.pack(["abcdefgh"]), 1)
    longer = kind.unpack(kind.pack(["abcdefghi", "abcdefgh", ""]), 1)
    assert (longer == known).all(axis=1).tolist() == [False, True, False]


def test_order_is_by_value_and_by_bytes():
    assert in_order(np.asarray([[3], [2**64 - 1], [0]], np.uint64), signed=True).tolist() == [
        1,
        2,
        0,
    ]
    ids = sorted(uuid.uuid4() for _ in range(20))
    words = UuidKeys().unpack(UuidKeys().pack(ids[::-1]), 2)
    assert in_order(words).tolist() == list(range(19, -1, -1))
