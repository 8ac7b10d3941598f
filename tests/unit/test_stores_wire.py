"""The bytes of a binary COPY, without a database."""

from __future__ import annotations

import struct
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reco_plugin.exceptions import StoreError
from reco_plugin.stores.pgvector import wire
from reco_plugin.types import id_map

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


def read(stream):
    """A plain reader of the format: field by field, as PostgreSQL does it."""
    assert stream[:19] == wire.HEADER
    at, rows = 19, []
    while (fields := struct.unpack_from(">h", stream, at)[0]) != -1:
        at += 2
        row = []
        for _ in range(fields):
            size = struct.unpack_from(">i", stream, at)[0]
            row.append(stream[at + 4 : at + 4 + size])
            at += 4 + size
        rows.append(row)
    assert at + 2 == len(stream)
    return rows


def encoded(keys, key_type, columns):
    pieces = list(wire.encode(id_map(keys), key_type, columns))
    assert sum(count for count, _ in pieces) == len(keys)
    return read(b"".join(piece for _, piece in pieces))


KEYS = [
    ("bigint", st.integers(-(2**63), 2**63 - 1), lambda key: struct.pack(">q", key)),
    ("integer", st.integers(-(2**31), 2**31 - 1), lambda key: struct.pack(">i", key)),
    ("smallint", st.integers(-(2**15), 2**15 - 1), lambda key: struct.pack(">h", key)),
    ("uuid", st.uuids(), lambda key: key.bytes),
    (
        "varchar(40)",
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20),
        str.encode,
    ),
]


@pytest.mark.parametrize(("key_type", "keys", "to_bytes"), KEYS, ids=[key for key, *_ in KEYS])
@given(data=st.data())
def test_every_row_arrives(key_type, keys, to_bytes, data):
    drawn = data.draw(st.lists(keys, unique=True, max_size=30))
    width = data.draw(st.integers(1, 5))
    one = data.draw(hnp.arrays(np.float32, (len(drawn), width), elements=FLOATS))
    other = data.draw(hnp.arrays(np.float32, (len(drawn), 2), elements=FLOATS))
    rows = {row[0]: row[1:] for row in encoded(drawn, key_type, [one, other])}
    assert len(rows) == len(drawn)
    for number, key in enumerate(drawn):
        first, second = (wire.decode(raw) for raw in rows[to_bytes(key)])
        assert (first == one[number]).all()
        assert (second == other[number]).all()


def test_large_streams_come_in_pieces():
    vectors = np.ones((20_000, 64), dtype=np.float32)
    sizes = [len(piece) for _, piece in wire.encode(id_map(range(20_000)), "bigint", [vectors])]
    assert max(sizes) <= wire.CHUNK_BYTES
    assert len(sizes) > 5


@pytest.mark.parametrize(
    ("keys", "key_type"),
    [([2**40], "integer"), (["a"], "bigint"), ([1], "uuid"), ([1], "text"), ([1], "numeric")],
)
def test_keys_of_another_type_are_refused(keys, key_type):
    with pytest.raises(StoreError, match="do not fit"):
        encoded(keys, key_type, [np.ones((1, 2), dtype=np.float32)])


@given(hnp.arrays(np.float32, 6, elements=FLOATS))
def test_literals_keep_every_float(vector):
    text = wire.literal(vector)
    assert (np.array(text[1:-1].split(","), dtype=np.float32) == vector).all()


def test_uuid_keys_are_their_bytes():
    key = uuid.uuid4()
    ((raw, _),) = encoded([key], "uuid", [np.zeros((1, 1), dtype=np.float32)])
    assert raw == key.bytes


@pytest.mark.parametrize(("key_type", "keys", "to_bytes"), KEYS, ids=[key for key, *_ in KEYS])
@given(data=st.data())
def test_what_is_encoded_is_decoded(key_type, keys, to_bytes, data):
    drawn = data.draw(st.lists(keys, unique=True, min_size=1, max_size=30))
    width = data.draw(st.integers(1, 5))
    vectors = data.draw(hnp.arrays(np.float32, (len(drawn), width), elements=FLOATS))
    raw = b"".join(piece for _, piece in wire.encode(id_map(drawn), key_type, [vectors]))
    items, found = wire.decode_items(raw, key_type, width)
    assert {key: row.tolist() for key, row in zip(items.to_python(), found, strict=True)} == {
        key: row.tolist() for key, row in zip(drawn, vectors, strict=True)
    }


@pytest.mark.parametrize(("key_type"), [key for key, *_ in KEYS])
def test_nothing_is_decoded_of_an_empty_stream(key_type):
    items, found = wire.decode_items(wire.HEADER + wire.TRAILER, key_type, 3)
    assert (len(items), found.shape, found.dtype) == (0, (0, 3), np.float32)
