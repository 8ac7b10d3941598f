"""RECO_PAGE_EVENTS, read: which URL means which event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from reco_plugin.types import EventKind

_READS = frozenset({EventKind.VIEW_ITEM, EventKind.SEARCH})
"""What a GET means; everything else is done by a POST."""
_PURCHASES = frozenset({EventKind.PURCHASE, EventKind.REFUND})
_KNOWN = frozenset({"event", "product", "field", "quantity", "query"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What a successful request of one URL says."""

    kind: EventKind
    product: str = ""
    """Name of the URL's argument, or of the form field, that holds the product."""
    field: str = "pk"
    """The product's field it is the value of."""
    quantity: str = ""
    query: str = ""
    """Name of the parameter that holds what was searched for."""

    @property
    def methods(self) -> tuple[str, ...]:
        return ("GET",) if self.kind in _READS else ("POST", "PUT")


def pages(setting: Mapping[str, Mapping[str, str]]) -> dict[str, Page]:
    """By URL name, 'namespace:name'. Raises ImproperlyConfigured, naming the entry that is wrong."""
    return {name: _page(name, entry) for name, entry in setting.items()}


def _page(name: str, entry: Mapping[str, str]) -> Page:
    where = f"RECO_PAGE_EVENTS[{name!r}]"
    if unknown := set(entry) - _KNOWN:
        raise ImproperlyConfigured(
            f"{where} has {min(unknown)!r}; it takes {', '.join(sorted(_KNOWN))}."
        )
    try:
        kind = EventKind.parse(entry.get("event", "view_item"))
    except ValueError as error:
        raise ImproperlyConfigured(f"{where}: {error}.") from error
    if kind in _PURCHASES:
        raise ImproperlyConfigured(
            f"{where}: a {kind.ga4} is read from the shop's orders (RECO_ORDERS), not from a page."
        )
    needed = "query" if kind is EventKind.SEARCH else "product"
    if not entry.get(needed):
        raise ImproperlyConfigured(f"{where}: say which parameter is the {needed}.")
    return Page(kind=kind, **{key: value for key, value in entry.items() if key != "event"})


def value_of(request: HttpRequest, name: str) -> Any:
    """The URL's argument, form field or query parameter `name`, in that order; None for none."""
    match = request.resolver_match
    if match is not None and name in match.kwargs:
        return match.kwargs[name]
    return request.POST.get(name, request.GET.get(name)) if name else None
