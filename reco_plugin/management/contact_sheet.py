"""A contact sheet: each row a query and what looks like it, as one SVG file that needs nothing else."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import pack
from xml.sax.saxutils import escape, quoteattr

from reco_plugin.encoders.base import Pixels

SIDE = 112
"""User units of a picture's side."""
GAP = 12
HEAD = 64
TEXT = 30
"""Below each picture: two lines."""
SIGNS = 19
"""Of a title that fit below a picture."""
STYLE = (
    "text{font:10px system-ui,sans-serif;fill:#222}.head{font-size:16px;font-weight:600}"
    ".quiet{fill:#666}.frame{fill:#fff;stroke:#ccc}.query{stroke:#222;stroke-width:2}"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One picture with two lines below it."""

    title: str
    note: str
    """How near it is, or why its picture is not shown."""
    pixels: Pixels | None = None
    """(side, side, 3)"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    query: Tile
    found: tuple[Tile, ...]


def drawn(title: str, words: str, rows: Sequence[Row]) -> Iterator[str]:
    """The SVG file in pieces; `words` stand below its title."""
    columns = 1 + max((len(row.found) for row in rows), default=0)
    width = max(GAP + columns * (SIDE + GAP) + GAP, 480)
    height = HEAD + len(rows) * (SIDE + TEXT + GAP)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label={quoteattr(_clean(title))}>'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fafafa"/>'
        f'<text class="head" x="{GAP}" y="26">{escape(_clean(title))}</text>'
        f'<text class="quiet" x="{GAP}" y="44">{escape(_clean(words))}</text>\n'
    )
    for number, row in enumerate(rows):
        top = HEAD + number * (SIDE + TEXT + GAP)
        yield _tile(row.query, GAP, top, is_query=True)
        for column, tile in enumerate(row.found, start=1):
            yield _tile(tile, 2 * GAP + column * (SIDE + GAP), top)
    yield "</svg>\n"


def _tile(tile: Tile, x: int, y: int, *, is_query: bool = False) -> str:
    kind = "frame query" if is_query else "frame"
    picture = ""
    if tile.pixels is not None:
        data = base64.b64encode(png(tile.pixels)).decode()
        picture = (
            f'<image x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" '
            f'href="data:image/png;base64,{data}"/>'
        )
    title = _clean(tile.title)
    short = title if len(title) <= SIGNS else f"{title[: SIGNS - 1]}…"
    return (
        f"<g><title>{escape(title)}</title>"
        f'<rect class="{kind}" x="{x}" y="{y}" width="{SIDE}" height="{SIDE}"/>{picture}'
        f'<text x="{x}" y="{y + SIDE + 13}">{escape(short)}</text>'
        f'<text class="quiet" x="{x}" y="{y + SIDE + 26}">{escape(_clean(tile.note))}</text></g>\n'
    )


def _clean(text: str) -> str:
    """Without the control characters that no XML may hold."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


def png(pixels: Pixels) -> bytes:
    """uint8 RGB, (height, width, 3), as a PNG file (ISO 15948): each line as its difference from the one above."""
    height, width, _ = pixels.shape
    lines = pixels.reshape(height, width * 3).copy()
    lines[1:] -= pixels.reshape(height, width * 3)[:-1]
    filtered = b"".join(b"\x02" + line.tobytes() for line in lines)
    header = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))
