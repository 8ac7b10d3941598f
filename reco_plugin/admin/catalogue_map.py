"""The catalogue as its pictures lay it out: a drawing with thumbnails, zoomed by links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin import conf
from reco_plugin.admin.pages import OwnAdmin
from reco_plugin.admin.sites import chosen
from reco_plugin.admin.thumbnails import Thumbnail, thumbnails
from reco_plugin.jobs.catalogue_map import SPACE
from reco_plugin.jobs.publish import active_run
from reco_plugin.models import VectorBlock
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import Floats

if TYPE_CHECKING:
    from reco_plugin.models import Run

COLUMNS, ROWS = 18, 12
"""Cells of the drawing; each shows one product, so that no picture covers another."""
CELL = 50
"""User units of a cell's side."""
DEEPEST = 4
PARAMETER = "part"
WAYS = (
    gettext_lazy("Top left"),
    gettext_lazy("Top right"),
    gettext_lazy("Bottom left"),
    gettext_lazy("Bottom right"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A square of the page: of 2**depth by 2**depth equal ones, that in this column and row."""

    depth: int = 0
    column: int = 0
    row: int = 0

    @classmethod
    def asked(cls, text: str) -> Part:
        """'2-1-3'; the whole page for anything that is none."""
        found = re.fullmatch(r"(\d)-(\d{1,2})-(\d{1,2})", text, re.ASCII)
        if found is None:
            return cls()
        depth, column, row = (int(number) for number in found.groups())
        most = 2**depth
        return (
            cls(depth=depth, column=column, row=row)
            if (depth <= DEEPEST and column < most and row < most)
            else cls()
        )

    def __str__(self) -> str:
        return f"{self.depth}-{self.column}-{self.row}"

    @property
    def above(self) -> Part | None:
        if not self.depth:
            return None
        return Part(depth=self.depth - 1, column=self.column // 2, row=self.row // 2)

    @property
    def quarters(self) -> list[Part]:
        """In the order of WAYS."""
        if self.depth >= DEEPEST:
            return []
        return [
            Part(depth=self.depth + 1, column=2 * self.column + right, row=2 * self.row + low)
            for low in (0, 1)
            for right in (0, 1)
        ]

    def within(self, places: Floats) -> Floats:
        """(n, 2): `places` (0..1) in units of this part; those outside lie below 0 or above 1."""
        size = 2**self.depth
        found: Floats = places * size - np.array([self.column, self.row], dtype=np.float32)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """The product nearest to the middle of a cell, and how many others lie in it."""

    column: int
    row: int
    key: Any
    others: int


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A cell with what it shows."""

    cell: Cell
    product: Thumbnail


def view(admin: OwnAdmin, request: HttpRequest) -> HttpResponseBase:
    """Raises PermissionDenied."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    part = Part.asked(request.GET.get(PARAMETER, ""))
    run = active_run(chosen(request), "visual")
    keys, places = _places(run)
    cells = list(thinned(keys, part.within(places)))
    known = thumbnails((cell.key for cell in cells), request, admin.admin_site)
    drawn = [Drawn(cell=cell, product=known[cell.key]) for cell in cells if cell.key in known]
    return admin.page(
        request,
        "catalogue_map.html",
        title=_("Map of the catalogue"),
        run=run,
        of=run.config.get(SPACE, {}).get("of", len(keys)) if run else 0,
        count=len(keys),
        drawing=drawing(drawn, part, request) if drawn else "",
        drawn=drawn,
        ways=[(_link(one, request), way) for one, way in zip(part.quarters, WAYS, strict=False)],
        out=_link(part.above, request) if part.above else "",
    )


def _places(run: Run | None) -> tuple[list[Any], Floats]:
    """Keys, and (n, 2) places within 0..1."""
    block = None
    if run is not None:
        blocks = VectorBlock.objects.using(conf.settings.DATABASE)
        block = blocks.filter(run=run, space=SPACE).first()
    if block is None:
        return [], np.zeros((0, 2), dtype=np.float32)
    places = np.frombuffer(block.vectors, dtype="<f4").reshape(-1, 2)
    return list(shop_keys.from_json(block.keys)), places.astype(np.float32)


def thinned(keys: Sequence[Any], places: Floats) -> Iterator[Cell]:
    """One product for each cell in which there are any; `places` outside 0..1 are left out."""
    size = np.array([COLUMNS, ROWS], dtype=np.float32)
    cells = np.minimum(np.floor(places * size), size - 1).astype(int)
    off = np.abs(places * size - cells - 0.5).sum(axis=1)
    inside = ((places >= 0) & (places <= 1)).all(axis=1)
    held: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero(inside)[np.argsort(off[inside], kind="stable")].tolist():
        held.setdefault((int(cells[row, 0]), int(cells[row, 1])), []).append(row)
    for (column, line), rows in sorted(held.items(), key=lambda each: (each[0][1], each[0][0])):
        yield Cell(column=column, row=line, key=keys[rows[0]], others=len(rows) - 1)


def drawing(drawn: Sequence[Drawn], part: Part, request: HttpRequest) -> SafeString:
    """Thumbnails in their cells, each with its title for a pointer, and a frame round each quarter."""
    width, height = COLUMNS * CELL, ROWS * CELL
    return format_html(
        '<svg class="reco-map" viewBox="0 0 {} {}" role="img" aria-labelledby="map-t map-d">'
        '<title id="map-t">{}</title><desc id="map-d">{}</desc>{}{}</svg>',
        width, height, _("Map of the catalogue"),
        _("Products whose pictures look alike stand near each other. The table below lists them."),
        format_html_join("", "{}", ((_drawn(one),) for one in drawn)),
        format_html(
            '<path class="reco-grid" d="M{} 0V{}M0 {}H{}"/>', width / 2, height, height / 2, width
        ) if part.quarters else "",
    )  # fmt: skip


def _drawn(one: Drawn) -> SafeString:
    x, y, side = one.cell.column * CELL, one.cell.row * CELL, CELL - 2
    picture = format_html(
        '<image href="{}" x="{}" y="{}" width="{}" height="{}"/>',
        one.product.image, x + 1, y + 1, side, side,
    ) if one.product.image else format_html(
        '<rect class="reco-bar-all" x="{}" y="{}" width="{}" height="{}"/>', x + 1, y + 1, side, side
    )  # fmt: skip
    return format_html("<g><title>{}</title>{}</g>", one.product.title, picture)


def _link(part: Part, request: HttpRequest) -> str:
    asked = request.GET.copy()
    asked[PARAMETER] = str(part)
    return f"?{asked.urlencode()}"
