"""Files as they come: compressed or not, in any usual encoding."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GZIP = b"\x1f\x8b"
CHUNK = 1 << 20
UNREADABLE = (OSError, EOFError, UnicodeError, zlib.error)


class CannotRead(Exception):
    """The log is not what it should be; the message says what would be."""


@contextmanager
def told(file: Path, *errors: type[Exception]) -> Iterator[None]:
    """What a broken file raises, as CannotRead."""
    try:
        yield
    except (*UNREADABLE, *errors) as error:
        raise CannotRead(f"{file.name} cannot be read: {error}") from error


def head(file: Path, size: int) -> bytes:
    """The first bytes."""
    with file.open("rb") as content:
        return content.read(size)


def is_compressed(file: Path) -> bool:
    """By its content: a name may say anything."""
    return head(file, len(GZIP)) == GZIP


def open_text(file: Path) -> Any:
    """Text of a file that may be compressed, without a byte order mark."""
    written = encoding(file)
    if is_compressed(file):
        return gzip.open(file, "rt", encoding=written, newline="")
    return file.open(encoding=written, newline="")


def encoding(file: Path) -> str:
    """UTF-16 with a mark, UTF-8, or else Latin-1, by which any bytes are some text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with gzip.open(file, "rb") if is_compressed(file) else file.open("rb") as content:
        chunk = content.read(CHUNK)
        if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        try:
            while chunk:
                decoder.decode(chunk)
                chunk = content.read(CHUNK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8-sig"


def lines(file: Path) -> Iterator[str]:
    """Those with anything in them."""
    with open_text(file) as content:
        for line in content:
            if line.strip():
                yield line.rstrip("\r\n")
