"""Rows of keys and vectors as PostgreSQL's binary COPY wants them, made without a loop over rows.

Source: PostgreSQL documentation, "COPY, Binary Format"; pgvector's vector_send: int16 dimension,
int16 zero, then big-endian float4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.exceptions import StoreError
from reco_plugin.types import Floats, IdMap, id_map

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
CHUNK_BYTES = 1 << 20
VECTOR_HEADER_BYTES = 4

_INTEGERS = {"smallint": ">i2", "integer": ">i4", "bigint": ">i8"}
_TEXTS = ("varchar", "char", "text", "citext")


def encode(keys: IdMap, key_type: str, columns: Sequence[Floats]) -> Iterator[tuple[int, bytes]]:
    """Pieces of a COPY stream, each with the number of rows it holds.

    `key_type` is the column's SQL type; each of `columns` has shape (len(keys), dimension).
    Raises StoreError when the keys do not fit the column.
    """
    yield 0, HEADER
    for at, raw in _encoded_keys(keys, key_type):
        yield from _records(raw, [column[at] for column in columns])
    yield 0, TRAILER


def decode(raw: bytes) -> Floats:
    """A vector from what `vector_send` gave."""
    return np.frombuffer(raw, dtype=">f4", offset=VECTOR_HEADER_BYTES).astype(np.float32)


def decode_rows(raw: Sequence[bytes]) -> Sequence[Floats]:
    """Vectors of one length, decoded together."""
    if not raw:
        return ()
    width = (len(raw[0]) - VECTOR_HEADER_BYTES) // 4
    layout = [("header", f"V{VECTOR_HEADER_BYTES}"), ("values", ">f4", (width,))]
    rows: Floats = np.frombuffer(b"".join(raw), dtype=layout)["values"].astype(np.float32)
    return list(rows)


def decode_items(raw: bytes, key_type: str, dimension: int) -> tuple[IdMap, Floats]:
    """Keys and vectors (n, dimension) from a COPY stream of (key, vector) rows, the inverse of `encode`."""
    rows = memoryview(raw)[len(HEADER) : -len(TRAILER)]
    if key_type.startswith(_TEXTS):
        return _decoded_texts(rows, dimension)
    kind = np.dtype(_INTEGERS.get(key_type, "V16"))
    found = np.frombuffer(rows, dtype=_layout(kind, [dimension]))
    keys = np.ascontiguousarray(found["key"])
    if kind.kind == "i":
        keys = keys.astype(np.int64)
    return IdMap(keys=keys), found["values_0"].astype(np.float32)


def _decoded_texts(rows: memoryview, dimension: int) -> tuple[IdMap, Floats]:
    """Each row is as long as its key."""
    keys, vectors, at = [], [np.empty((0, dimension), np.float32)], 0
    tail = 4 + VECTOR_HEADER_BYTES
    while at < len(rows):
        end = at + 6 + int.from_bytes(rows[at + 2 : at + 6], "big")
        keys.append(str(rows[at + 6 : end], "utf-8"))
        vectors.append(np.frombuffer(rows, ">f4", dimension, end + tail)[None])
        at = end + tail + 4 * dimension
    return id_map(keys), np.concatenate(vectors, dtype=np.float32)


def literal(vector: Floats) -> str:
    """A vector as pgvector reads it in text; every float32 survives."""
    return str(vector.astype(np.float64).tolist())


def _encoded_keys(
    keys: IdMap, key_type: str
) -> Iterator[tuple[slice | npt.NDArray[Any], npt.NDArray[Any]]]:
    """Rows whose encoded keys are equally long, and those keys: texts come in several groups."""
    if len(keys) == 0:
        return
    if key_type.startswith(_TEXTS):
        yield from _texts(keys)
    elif key_type in _INTEGERS:
        yield slice(None), _integers(keys, key_type)
    elif key_type == "uuid" and keys.keys.dtype.kind == "V":
        yield slice(None), keys.keys
    else:
        raise _misfit(keys, key_type)


def _texts(keys: IdMap) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    if keys.keys.dtype.kind != "U":
        raise _misfit(keys, "text")
    encoded = np.char.encode(keys.keys, "utf-8")
    lengths = np.char.str_len(encoded)
    for length in np.unique(lengths):
        at = np.flatnonzero(lengths == length)
        yield at, encoded[at].astype(f"S{length}")


def _integers(keys: IdMap, key_type: str) -> npt.NDArray[Any]:
    kind = np.dtype(_INTEGERS[key_type])
    most = (1 << (8 * kind.itemsize - 1)) - 1
    found = keys.keys
    if found.dtype.kind != "i" or found.min() < -most - 1 or found.max() > most:
        raise _misfit(keys, key_type)
    return found.astype(kind)


def _misfit(keys: IdMap, key_type: str) -> StoreError:
    return StoreError(
        f"Keys such as {keys.key(0)!r} do not fit the shop's key column of type {key_type}; "
        f"train on the shop's own product keys, or set RECO_STORE = 'numpy' for this key type."
    )


def _records(keys: npt.NDArray[Any], columns: Sequence[Floats]) -> Iterator[tuple[int, bytes]]:
    layout = _layout(keys.dtype, [column.shape[1] for column in columns])
    step = max(1, CHUNK_BYTES // layout.itemsize)
    for start in range(0, len(keys), step):
        rows = slice(start, start + step)
        chunk = np.zeros(len(keys[rows]), dtype=layout)
        chunk["fields"] = 1 + len(columns)
        chunk["key_size"] = keys.dtype.itemsize
        chunk["key"] = keys[rows]
        for number, column in enumerate(columns):
            chunk[f"size_{number}"] = VECTOR_HEADER_BYTES + 4 * column.shape[1]
            chunk[f"dimension_{number}"] = column.shape[1]
            chunk[f"values_{number}"] = column[rows]
        yield len(chunk), chunk.tobytes()


def _layout(key: np.dtype[Any], dimensions: Sequence[int]) -> np.dtype[Any]:
    fields: list[Any] = [("fields", ">i2"), ("key_size", ">i4"), ("key", key)]
    for number, dimension in enumerate(dimensions):
        fields += [
            (f"size_{number}", ">i4"),
            (f"dimension_{number}", ">i2"),
            (f"zero_{number}", ">i2"),
            (f"values_{number}", ">f4", (dimension,)),
        ]
    return np.dtype(fields)
