"""The one contract a shop fills in: what a product is, and which may be shown right now."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.apps import apps
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from reco_plugin import conf
from reco_plugin.catalog.paths import first_field, follow
from reco_plugin.types import CatalogItem, Key

SEPARATOR = " > "


class Catalog:
    """Maps the shop's product onto schema.org words. Subclass it and name it in RECO_CATALOG.

    Each class attribute is a dotted path from a product to a value (`"brand.name"`), or '' for
    nothing. Where a path is not enough, override the method of the same subject. With nothing
    filled in, fields with usual names are found by themselves.

        class ShopCatalog(Catalog):
            title = "name"
            brand = "brand.name"
            attributes = {"gender": "gender", "colour": "colour"}

            def eligible(self, queryset, request):
                return queryset.filter(is_active=True, stock__gt=0)
    """

    title: ClassVar[str] = ""
    description: ClassVar[str] = ""
    brand: ClassVar[str] = ""
    price: ClassVar[str] = ""
    category: ClassVar[str] = ""
    """Path to one category, a text path 'Women > Shoes', or an iterable of either."""
    category_parent: ClassVar[str] = "parent"
    tags: ClassVar[str] = ""
    group: ClassVar[str] = ""
    """Path to the canonical product (or its key) of a variant."""
    image: ClassVar[str] = ""
    available_since: ClassVar[str] = ""
    attributes: ClassVar[Mapping[str, str]] = {}
    select_related: ClassVar[tuple[str, ...]] = ()
    prefetch_related: ClassVar[tuple[str, ...]] = ()

    _GUESSES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": ("title", "name"),
        "description": ("description", "summary"),
        "brand": ("brand", "manufacturer"),
        "price": ("price", "unit_price"),
        "category": ("category", "categories"),
        "tags": ("tags",),
        "group": ("parent", "variant_of"),
        "image": ("image", "picture", "photo"),
        "available_since": (
            "available_since",
            "published_at",
            "created_at",
            "created",
            "date_created",
        ),
    }
    _ACTIVE = ("is_active", "is_public", "is_published", "published", "active")
    _STOCK = ("stock", "stock_quantity", "quantity", "num_in_stock", "inventory")

    @property
    def model(self) -> type[models.Model]:
        return apps.get_model(conf.product_model())

    # --- querysets --------------------------------------------------------------------------

    def products(self) -> models.QuerySet[Any]:
        """Every product worth learning about, with its relations; read by the item sync."""
        queryset = self.model._default_manager.using(conf.settings.DATABASE).all()
        if self.select_related:
            queryset = queryset.select_related(*self.select_related)
        if self.prefetch_related:
            queryset = queryset.prefetch_related(*self.prefetch_related)
        return queryset

    def eligible(
        self, queryset: models.QuerySet[Any], request: HttpRequest | None
    ) -> models.QuerySet[Any]:
        """`queryset` narrowed to what this request may be shown right now: live stock and visibility.

        Runs inside the serving query on the shop's own rows. The default finds fields with usual names.
        """
        if active := first_field(self.model, self._ACTIVE):
            queryset = queryset.filter(**{active: True})
        if stock := first_field(self.model, self._STOCK):
            queryset = queryset.filter(**{f"{stock}__gt": 0})
        return queryset

    # --- one product ------------------------------------------------------------------------

    def item(self, product: Any) -> CatalogItem:
        """Everything we learn of one product."""
        categories = tuple(self.get_categories(product))
        return CatalogItem(
            key=product.pk,
            title=str(self.value(product, "title") or ""),
            description=str(self.value(product, "description") or ""),
            categories=categories,
            brand=str(self.value(product, "brand") or ""),
            price=self.get_price(product),
            tags=tuple(str(tag) for tag in _many(self.value(product, "tags"))),
            attributes=self.get_attributes(product),
            group=self.get_group(product),
            available_since=_aware(self.value(product, "available_since")),
            sensitive=self.is_sensitive(product, categories),
        )

    def get_price(self, product: Any) -> float | None:
        """The price as a finite number, or None."""
        try:
            price = float(self.value(product, "price"))
        except (TypeError, ValueError):
            return None
        return price if math.isfinite(price) else None

    def get_categories(self, product: Any) -> Iterable[str]:
        """Category paths from the root, 'Women > Shoes'."""
        for category in _many(self.value(product, "category")):
            if path := self.category_path(category):
                yield path

    def category_path(self, category: Any) -> str:
        """One category (an instance or a text) as a path from the root; cycles are cut."""
        if category is None or isinstance(category, str):
            return category or ""
        names: list[str] = []
        seen: set[Any] = set()
        while category is not None and category.pk not in seen:
            seen.add(category.pk)
            names.append(str(category))
            category = getattr(category, self.category_parent, None)
        return SEPARATOR.join(reversed(names))

    def get_attributes(self, product: Any) -> dict[str, str]:
        """Guard attributes and other facts; empty ones are left out."""
        found = {name: follow(product, path) for name, path in self.attributes.items()}
        return {name: str(value) for name, value in found.items() if value not in (None, "")}

    def get_group(self, product: Any) -> Key | None:
        """Key of the canonical product of a variant, None when it stands for itself."""
        group = self.value(product, "group")
        key = group.pk if isinstance(group, models.Model) else group
        return None if key in (None, "", product.pk) else key

    def is_sensitive(self, product: Any, categories: Iterable[str]) -> bool:
        """Kept out of personal and co-behaviour lists? By RECO_SENSITIVE_CATEGORIES."""
        roots = tuple(conf.settings.SENSITIVE_CATEGORIES)
        return any(
            path == root or path.startswith(root + SEPARATOR)
            for path in categories
            for root in roots
        )

    def url(self, product: Any) -> str:
        """Where a tile leads; get_absolute_url() by default."""
        return str(product.get_absolute_url()) if hasattr(product, "get_absolute_url") else ""

    def image_url(self, product: Any) -> str:
        """The tile's picture, or ''."""
        image = self.value(product, "image")
        if not image:
            return ""
        return str(image.url) if hasattr(image, "url") else str(image)

    def value(self, product: Any, subject: str) -> Any:
        """What the path of `subject` ('title', 'brand' …) leads to."""
        path = getattr(self, subject) or first_field(self.model, self._GUESSES[subject])
        return follow(product, path) if path else None


def _many(value: Any) -> Iterable[Any]:
    if value is None or value == "":
        return ()
    if isinstance(value, models.Manager):
        return value.all()
    return (value,) if isinstance(value, str | models.Model) else value


def _aware(value: Any) -> dt.datetime | None:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001
    if not isinstance(value, dt.datetime):
        return None
    return value if timezone.is_aware(value) else timezone.make_aware(value, dt.UTC)
