"""The shop's three kinds of product key, as SQL that packs them and arrays that hold them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from django.db import models

from reco_plugin.datasets.interning import Words
from reco_plugin.types import IdMap, Key

Bytes = bytes | memoryview


class Keys(Protocol):
    """One kind of key. A packed column is one or two fields of bytes (see `select`)."""

    fields: ClassVar[int]

    def select(self, column: str) -> tuple[str, ...]:
        """Aggregates that pack a non-null column of many rows, `fields` of them."""
        ...

    def unpack(self, packed: Sequence[Bytes], width: int) -> Words:
        """(n, width) words; a key too long for `width` becomes one that equals no other."""
        ...

    def width(self, packed: Sequence[Bytes]) -> int:
        """Words that hold every key of a packed column."""
        ...

    def pack(self, keys: Sequence[Key]) -> tuple[Bytes, ...]:
        """What the database would have sent for these Python keys."""
        ...

    def id_map(self, words: Words) -> IdMap: ...


class IntegerKeys:
    fields: ClassVar[int] = 1

    def select(self, column: str) -> tuple[str, ...]:
        return (f"string_agg(int8send({column}::int8), '')",)

    def unpack(self, packed: Sequence[Bytes], width: int) -> Words:
        return np.frombuffer(packed[0], ">u8").astype(np.uint64).reshape(-1, 1)

    def width(self, packed: Sequence[Bytes]) -> int:
        return 1

    def pack(self, keys: Sequence[Key]) -> tuple[Bytes, ...]:
        return (np.asarray(keys, ">i8").tobytes(),)

    def id_map(self, words: Words) -> IdMap:
        return IdMap(keys=np.ascontiguousarray(words[:, 0]).view(np.int64))


class UuidKeys:
    fields: ClassVar[int] = 1

    def select(self, column: str) -> tuple[str, ...]:
        return (f"string_agg(uuid_send({column}), '')",)

    def unpack(self, packed: Sequence[Bytes], width: int) -> Words:
        return np.frombuffer(packed[0], ">u8").astype(np.uint64).reshape(-1, 2)

    def width(self, packed: Sequence[Bytes]) -> int:
        return 2

    def pack(self, keys: Sequence[Key]) -> tuple[Bytes, ...]:
        return (b"".join(key.bytes for key in keys if isinstance(key, uuid.UUID)),)

    def id_map(self, words: Words) -> IdMap:
        return IdMap(keys=np.ascontiguousarray(words.astype(">u8")).view("V16").ravel())


class TextKeys:
    """UTF-8 bytes, padded with zeros (which no text in a database holds) to whole words."""

    fields: ClassVar[int] = 2

    def select(self, column: str) -> tuple[str, ...]:
        text = f"convert_to({column}::text, 'UTF8')"
        return (f"string_agg({text}, '')", f"string_agg(int4send(octet_length({text})), '')")

    def unpack(self, packed: Sequence[Bytes], width: int) -> Words:
        size = 8 * width
        text, lengths = np.frombuffer(packed[0], np.uint8), _lengths(packed)
        starts = np.cumsum(lengths) - lengths
        columns = np.arange(size)
        at = np.minimum(starts[:, None] + columns, max(len(text) - 1, 0))
        padded = np.where(columns < lengths[:, None], text[at] if len(text) else 0, 0)
        padded[lengths > size] = 0xFF  # no UTF-8 text holds this byte
        return padded.astype(np.uint8).view(">u8").astype(np.uint64)

    def width(self, packed: Sequence[Bytes]) -> int:
        return max(1, -(-int(_lengths(packed).max(initial=0)) // 8))

    def pack(self, keys: Sequence[Key]) -> tuple[Bytes, ...]:
        texts = [str(key).encode() for key in keys]
        return b"".join(texts), np.asarray([len(text) for text in texts], ">i4").tobytes()

    def id_map(self, words: Words) -> IdMap:
        raw = np.ascontiguousarray(words.astype(">u8")).view(f"S{8 * words.shape[1]}").ravel()
        return IdMap(keys=np.char.decode(raw, "utf-8") if len(raw) else np.zeros(0, np.str_))


def keys_of(field: models.Field[Any, Any]) -> Keys:
    """The kind of key a reference to the shop's product holds; text for anything unusual."""
    while field.remote_field is not None:
        field = field.target_field  # type: ignore[attr-defined]
    kind = field.get_internal_type()
    if kind == "UUIDField":
        return UuidKeys()
    return IntegerKeys() if kind.endswith(("IntegerField", "AutoField")) else TextKeys()


def in_order(words: Words, *, signed: bool = False) -> npt.NDArray[np.int64]:
    """The order that sorts keys; integers by value, the rest by their bytes."""
    if words.shape[1] == 1:
        return np.argsort(words[:, 0].view(np.int64) if signed else words[:, 0], kind="stable")
    return np.lexsort([words[:, word] for word in reversed(range(words.shape[1]))])


def _lengths(packed: Sequence[Bytes]) -> npt.NDArray[np.int64]:
    return np.frombuffer(packed[1], ">i4").astype(np.int64)
