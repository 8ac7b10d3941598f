"""What a placement would show to a shopper, on a page about a product: chosen in a form, asked by GET."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from reco_plugin import backends, conf
from reco_plugin.admin import exposure, figures, search
from reco_plugin.admin.pages import permitted
from reco_plugin.models import Item, Placement
from reco_plugin.placements import read
from reco_plugin.serving.preview import preview
from reco_plugin.serving.reasons import sentence
from reco_plugin.types import PlacementSpec, Shopper, Slate, SlateItem

if TYPE_CHECKING:
    from reco_plugin.admin.placements import PlacementAdmin


@dataclass(frozen=True, kw_only=True)
class Row:
    """One product of the slate, in words."""

    position: int
    title: str
    key: str
    reason: str
    why: str
    """The sentence a shopper reads."""
    source: str
    rung: Any
    score: str
    figures: str
    is_fallback: bool


def view(admin: PlacementAdmin, request: HttpRequest, row: Placement) -> HttpResponseBase:
    """As it is saved."""
    spec, wrong = read(row)
    back = admin.here(request, "change", row.pk)
    return _page(admin, request, row, spec, wrong=wrong, back=back)


def unsaved(
    admin: PlacementAdmin, request: HttpRequest, row: Placement, spec: PlacementSpec
) -> HttpResponseBase:
    """As it is typed; from here it is saved, or looked at for another product."""
    kept = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name not in _NOT_KEPT
    ]
    return _page(admin, request, row, spec, kept=kept, back=request.get_full_path())


_NOT_KEPT = frozenset(
    ("csrfmiddlewaretoken", "_preview", "_save", "product", "category", "shopper")
)


def _page(
    admin: PlacementAdmin,
    request: HttpRequest,
    row: Placement,
    spec: PlacementSpec | None,
    **context: Any,
) -> HttpResponseBase:
    asked = _Asked(request, row.site, admin)
    slate = None
    if spec is not None:
        slate = preview(
            spec,
            row.site,
            shopper=asked.shopper,
            product=asked.product,
            category=asked.category,
        )
    return admin.page(
        request,
        "preview.html",
        title=_("What “%s” would show") % row.slug,
        row=row,
        original=row,
        asked=asked,
        rows=[told(item, slate) for item in slate] if slate is not None else [],
        notes=slate.notes if slate is not None else (),
        timings=_timings(slate),
        **context,
    )


def _timings(slate: Slate | None) -> list[tuple[str, str]]:
    spent = slate.timings.items() if slate is not None else ()
    return [(name, figures.decimal(milliseconds, 1)) for name, milliseconds in spent]


def told(item: SlateItem, slate: Slate) -> Row:
    return Row(
        position=item.position + 1,
        title=str(backends.catalog().value(item.product, "title") or item.product),
        key=str(item.key),
        reason=item.reason or figures.NOTHING,
        why=sentence(item, slate.titles),
        source=item.source,
        rung=exposure.RUNGS.get(item.rung, item.rung),
        score=figures.decimal(item.score, 4),
        figures=", ".join(f"{name} {value:g}" for name, value in item.facts.items()),
        is_fallback=item.is_fallback,
    )


class _Asked:
    """What the form of the preview says, and what it comes to."""

    def __init__(self, request: HttpRequest, site: int, admin: PlacementAdmin) -> None:
        self.product_text = _text(request, "product")
        self.shopper_text = _text(request, "shopper")
        self.category = _text(request, "category")
        self.may_name_shoppers = permitted(request, "view_interaction")
        self.troubles: list[str] = []
        self.product = self._product(site)
        self.shopper = self._shopper(request, site, admin)

    def _product(self, site: int) -> Any:
        """By key, else the first with that in its title."""
        if not self.product_text:
            return None
        key = search.as_key(self.product_text)
        products = backends.catalog().products()
        found = products.filter(pk=key).first() if key is not None else None
        if found is None:
            items = Item.objects.using(conf.settings.DATABASE).filter(site=site)
            named = items.filter(title__icontains=self.product_text).order_by("title", "pk")
            found = products.filter(pk=named.values_list("pk", flat=True).first()).first()
        if found is None:
            self.troubles.append(_("There is no product “%s”.") % self.product_text)
        return found

    def _shopper(self, request: HttpRequest, site: int, admin: PlacementAdmin) -> Shopper | None:
        if not (self.shopper_text and self.may_name_shoppers):
            return None
        who = self._known(request, site, admin)
        if who is None:
            self.troubles.append(_("There is no shopper “%s”.") % self.shopper_text)
            return None
        return Shopper(id=who)

    def _known(self, request: HttpRequest, site: int, admin: PlacementAdmin) -> uuid.UUID | None:
        text = self.shopper_text
        found = search.meant(f"shopper:{text}", site, request, admin.admin_site).shoppers
        found = found or search.meant(f"user:{text}", site, request, admin.admin_site).shoppers
        return min(found, default=None)


def _text(request: HttpRequest, name: str) -> str:
    given = request.POST if request.method == "POST" else request.GET
    return given.get(name, "").replace("\x00", "").strip()[:200]
