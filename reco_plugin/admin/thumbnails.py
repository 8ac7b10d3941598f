"""Products as the operator recognises them: a title, a picture, a link."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from reco_plugin import backends, conf
from reco_plugin.admin.pages import may_see
from reco_plugin.admin.sites import query
from reco_plugin.models import Item

log = logging.getLogger(__name__)

SIDE = 64
"""Pixels of a thumbnail in a list."""


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """`image` and `url` may be ''; so may be all but the key, for a product that is gone."""

    key: Any
    title: str
    category: str = ""
    image: str = ""
    url: str = ""
    """Our page about the product, for whom may see it."""

    @property
    def img(self) -> SafeString:
        """The picture, read as nothing: the title stands beside it."""
        if not self.image:
            return SafeString("")
        return format_html(
            '<img class="reco-thumb" src="{}" alt="" width="{}" height="{}" loading="lazy">',
            self.image, SIDE, SIDE,
        )  # fmt: skip


def thumbnails(
    keys: Iterable[Any], request: HttpRequest, admin_site: AdminSite
) -> Mapping[Any, Thumbnail]:
    """One for each of `keys` the shop still has. A statement for the products, one for our rows of them."""
    wanted = set(keys)
    if not wanted:
        return {}
    items = Item.objects.using(conf.settings.DATABASE).filter(pk__in=wanted)
    facts = {row[0]: row[1:] for row in items.values_list("pk", "title", "categories")}
    products = backends.catalog().products().filter(pk__in=wanted)
    links = _Links(request, admin_site)
    return {one.pk: _thumbnail(one, facts.get(one.pk), links) for one in products}


def _thumbnail(product: Any, facts: tuple[Any, ...] | None, links: _Links) -> Thumbnail:
    title, categories = facts or ("", [])
    return Thumbnail(
        key=product.pk,
        title=title or str(product),
        category=str(categories[0]) if categories else "",
        image=_image(product),
        url=links.to(product.pk) if facts else "",
    )


def _image(product: Any) -> str:
    """'' too where the shop's storage cannot name the address: a page of pictures does without one."""
    try:
        return backends.catalog().image_url(product)
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        log.exception("The picture of product %s has no address", product.pk)
        return ""


class _Links:
    """To our page of a product, for whom may see it."""

    def __init__(self, request: HttpRequest, admin_site: AdminSite) -> None:
        self._may = may_see(request, "item")
        self._name, self._query = admin_site.name, query(request)

    def to(self, key: Any) -> str:
        if not self._may:
            return ""
        url = reverse("admin:reco_item_change", args=[key], current_app=self._name)
        return url + self._query
