"""The one contract a shop fills in: what a product is, and which may be shown right now."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from django.apps import apps
from django.db import models
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest

from reco_plugin import clock, conf
from reco_plugin.catalog.filling import fill
from reco_plugin.catalog.paths import field_of, first_field, first_text, follow, is_relation
from reco_plugin.catalog.pictures import gallery, guess_gallery
from reco_plugin.types import CatalogItem, Key

SEPARATOR = " > "
DEPTH = 3
"""Levels of categories above a product's own that are read in bulk; deeper ones cost a query each."""
BOOLEANS = (models.BooleanField,)
NUMBERS = (models.IntegerField, models.DecimalField, models.FloatField)


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
    list_price: ClassVar[str] = ""
    """Path to the price before a reduction; a product whose price is below it is on sale."""
    category: ClassVar[str] = ""
    """Path to one category, a text path 'Women > Shoes', or an iterable of either."""
    category_parent: ClassVar[str] = "parent"
    tags: ClassVar[str] = ""
    group: ClassVar[str] = ""
    """Path to the canonical product (or its key) of a variant."""
    image: ClassVar[str] = ""
    gallery: ClassVar[str] = ""
    """Path to further pictures: files, addresses, or rows that hold one ('images', 'images.file')."""
    available_since: ClassVar[str] = ""
    attributes: ClassVar[Mapping[str, str]] = {}
    eligible_for_all: ClassVar[bool] = False
    """`eligible` looks at neither the request nor anything else that changes from one request to the
    next: its SQL (never its answer) is then made once in five seconds, not for every slate."""
    select_related: ClassVar[tuple[str, ...]] = ()
    prefetch_related: ClassVar[tuple[str, ...]] = ()

    _GUESSES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": ("title", "name", "label", "product_name"),
        "description": ("description", "summary", "short_description", "body", "details"),
        "brand": ("brand", "manufacturer", "maker", "vendor"),
        "price": ("price", "unit_price", "base_price", "regular_price", "sale_price"),
        "list_price": (
            "list_price",
            "was_price",
            "compare_at_price",
            "rrp",
            "msrp",
            "original_price",
            "old_price",
            "price_before",
            "regular_price",
        ),
        "category": ("category", "categories", "main_category", "primary_category"),
        "tags": ("tags", "labels"),
        "group": ("parent", "variant_of", "canonical", "parent_product"),
        "image": ("image", "main_image", "picture", "photo", "thumbnail"),
        "available_since": (
            "available_since",
            "published_at",
            "created_at",
            "created",
            "date_created",
        ),
    }
    _NAMES = ("name", "title", "label")
    _SHOWN = (
        "is_active",
        "is_public",
        "is_published",
        "is_visible",
        "is_available",
        "is_enabled",
        "published",
        "active",
        "visible",
        "available",
        "enabled",
        "in_stock",
    )
    """Booleans that must all be true."""
    _HIDDEN = ("is_deleted", "is_hidden", "is_archived", "deleted", "hidden", "archived")
    """Booleans that must all be false."""
    _STOCK = (
        "stock",
        "stock_quantity",
        "quantity_in_stock",
        "num_in_stock",
        "inventory",
        "quantity",
    )
    """The first that is a number must be above zero."""

    @cached_property
    def model(self) -> type[models.Model]:
        return apps.get_model(conf.product_model())

    # --- querysets --------------------------------------------------------------------------

    def products(self) -> models.QuerySet[Any]:
        """Every product worth learning about, with its relations; read by the item sync.

        Where neither `select_related` nor `prefetch_related` is given, the relations that the paths
        begin with are prefetched.
        """
        queryset = self.model._default_manager.using(conf.settings.DATABASE).all()
        if self.select_related:
            queryset = queryset.select_related(*self.select_related)
        if self.prefetch_related:
            queryset = queryset.prefetch_related(*self.prefetch_related)
        if not (self.select_related or self.prefetch_related):
            queryset = queryset.prefetch_related(*self._relations())
        return queryset

    def products_of(self, site: int) -> models.QuerySet[Any]:
        """Those of `products()` that belong to `site`, where one project serves several; all by default.

        A product belongs to one site: the first whose sync reads it.
        """
        return self.products()

    def _relations(self) -> Iterator[str]:
        for subject in ("brand", "category", "tags"):
            name = self._path(subject).partition(".")[0]
            field = field_of(self.model, name)
            if field is None or field.related_model is None:
                continue
            yield name
            if subject == "category" and field_of(field.related_model, self.category_parent):
                yield LOOKUP_SEP.join([name, *[self.category_parent] * DEPTH])

    def eligible(
        self, queryset: models.QuerySet[Any], request: HttpRequest | None
    ) -> models.QuerySet[Any]:
        """`queryset` narrowed to what this request may be shown right now: live stock and visibility.

        Runs inside the serving query on the shop's own rows, so return the queryset, not a list or a
        slice of it. The default finds fields with usual names: what must be true or false, a stock
        that must be above zero.
        """
        wanted: dict[str, Any] = dict.fromkeys(self._of_type(self._SHOWN, BOOLEANS), True)
        wanted |= dict.fromkeys(self._of_type(self._HIDDEN, BOOLEANS), False)
        if stock := next(self._of_type(self._STOCK, NUMBERS), ""):
            wanted[f"{stock}__gt"] = 0
        return queryset.filter(**wanted)

    def perhaps_on_sale(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """`queryset` narrowed to what may be reduced, where columns can tell; `on_sale` has the last word.

        Without a list price nothing is; with a method of the shop's own everything may be.
        """
        methods = ("on_sale", "get_price", "get_list_price", "value")
        if any(getattr(type(self), name) is not getattr(Catalog, name) for name in methods):
            return queryset
        before, price = self._path("list_price"), self._path("price")
        if not before or not price or before == price:
            return queryset.none()
        if all(isinstance(field_of(self.model, path), NUMBERS) for path in (before, price)):
            return queryset.filter(**{f"{before}__gt": models.F(price)})
        return queryset

    def _of_type(
        self, names: tuple[str, ...], types: tuple[type[models.Field[Any, Any]], ...]
    ) -> Iterator[str]:
        """A `published` that is a date, or a `stock` that is a table, is not what we guess at."""
        return (name for name in names if isinstance(field_of(self.model, name), types))

    # --- one product ------------------------------------------------------------------------

    def item(self, product: Any) -> CatalogItem:
        """Everything we learn of one product."""
        categories = tuple(self.get_categories(product))
        return CatalogItem(
            key=product.pk,
            title=str(self.value(product, "title") or ""),
            description=str(self.value(product, "description") or ""),
            categories=categories,
            brand=self._text(self.value(product, "brand")),
            price=self.get_price(product),
            tags=tuple(self._text(tag) for tag in _many(self.value(product, "tags"))),
            attributes=self.get_attributes(product),
            group=self.get_group(product),
            available_since=clock.aware(self.value(product, "available_since")),
            sensitive=self.is_sensitive(product, categories),
        )

    def get_price(self, product: Any) -> float | None:
        """The price as a finite number, or None."""
        return _finite(self.value(product, "price"))

    def get_list_price(self, product: Any) -> float | None:
        """The price before a reduction as a finite number, or None.

        It is in the same money as the price: where that is worked out by a `get_price` of the shop's own, no
        field is taken for it unless `list_price` names it.
        """
        if not self.list_price and type(self).get_price is not Catalog.get_price:
            return None
        return _finite(self.value(product, "list_price"))

    def on_sale(self, product: Any) -> bool:
        """Is it reduced right now? By default: its price is below its list price.

        Asked of the live product when it is shown. Where the shop knows better (a campaign, a customer
        group), override this, and `perhaps_on_sale` if that is to find products it does not find.
        """
        price, before = self.get_price(product), self.get_list_price(product)
        return price is not None and before is not None and 0 <= price < before

    def get_categories(self, product: Any) -> Iterable[str]:
        """Category paths from the root, 'Women > Shoes'."""
        for category in _many(self.value(product, "category")):
            if path := self.category_path(category):
                yield path

    def category_path(self, category: Any) -> str:
        """One category (an instance or a text) as a path from the root; cycles are cut.

        A category is called what its `__str__` says, or its name where it has none.
        """
        if category is None or isinstance(category, str):
            return category or ""
        names: list[str] = []
        seen: set[Any] = set()
        while category is not None and category.pk not in seen:
            seen.add(category.pk)
            names.append(self._text(category))
            category = getattr(category, self.category_parent, None)
        return SEPARATOR.join(reversed(names))

    def get_attributes(self, product: Any) -> dict[str, str]:
        """Guard attributes and other facts; empty ones are left out."""
        found = {name: follow(product, path) for name, path in self.attributes.items()}
        return {name: str(value) for name, value in found.items() if value not in (None, "")}

    def get_group(self, product: Any) -> Key | None:
        """Key of the canonical product of a variant, None when it stands for itself."""
        path = self._path("group")
        field = field_of(self.model, path)
        if isinstance(field, models.ForeignKey) and field.target_field.primary_key:
            path = field.attname
        group = follow(product, path) if path else None
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

    def apply_suggestion(self, product: Any, field: str, value: str) -> None:
        """Write what a merchandiser accepted: `field` is 'category', 'brand' or the name of an attribute.

        By default the field at that path is filled and saved; for a related table it is the row called
        `value`. What is filled already stays as it is. Raises NotApplied, whose message the merchandiser reads.
        """
        if field in self.attributes:
            path = self.attributes[field]
        else:
            path = self._path(field) if field in self._GUESSES else ""
        called, separator = (
            (self.category_path, SEPARATOR) if field == "category" else (self._text, "")
        )
        fill(product, path, value, called=called, separator=separator)

    def url(self, product: Any) -> str:
        """Where a tile leads; get_absolute_url() by default."""
        return str(product.get_absolute_url()) if hasattr(product, "get_absolute_url") else ""

    def image_url(self, product: Any) -> str:
        """The tile's picture, or ''."""
        image = self.value(product, "image")
        if not image:
            return ""
        return str(image.url) if hasattr(image, "url") else str(image)

    def get_pictures(self, product: Any) -> Iterable[Any]:
        """The main picture first, then the gallery: files of a storage, or https addresses of RECO_IMAGE_HOSTS.

        The first sixteen are looked at, each once; empty ones are left out.
        """
        yield self.value(product, "image")
        if path := self._path("gallery"):
            yield from gallery(product, path)

    def shows_pictures(self) -> bool:
        """Does the shop say, or did we find, where a product's pictures are?"""
        is_own = type(self).get_pictures is not Catalog.get_pictures
        return is_own or bool(self._path("image") or self._path("gallery"))

    def picture_relations(self) -> list[str]:
        """Relations that `get_pictures` follows, to be read in bulk."""
        names = {self._path(subject).partition(".")[0] for subject in ("image", "gallery")}
        return sorted(name for name in names if name and is_relation(self.model, name))

    def value(self, product: Any, subject: str) -> Any:
        """What the path of `subject` ('title', 'brand' …) leads to."""
        path = self._path(subject)
        return follow(product, path) if path else None

    def _path(self, subject: str) -> str:
        """What the shop says, or the field with a usual name."""
        if path := str(getattr(self, subject)):
            return path
        if subject not in self._guessed:
            self._guessed[subject] = self._guess(subject)
        return self._guessed[subject]

    @cached_property
    def _guessed(self) -> dict[str, str]:
        """Looked for once: an item sync asks for every product."""
        return {}

    def _guess(self, subject: str) -> str:
        if subject == "gallery":
            return guess_gallery(self.model)
        names = self._GUESSES[subject]
        if subject == "group":
            names = tuple(name for name in names if _leads_to(self.model, name, self.model))
        return first_field(self.model, names)

    def _text(self, value: Any) -> str:
        if isinstance(value, models.Model):
            return first_text(value, self._NAMES)
        return "" if value is None else str(value)


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _leads_to(model: type[models.Model], name: str, target: type[models.Model]) -> bool:
    field = field_of(model, name)
    return isinstance(field, models.ForeignKey) and field.related_model is target


def _many(value: Any) -> Iterable[Any]:
    if value is None or value == "":
        return ()
    if isinstance(value, models.Manager):
        return value.all()
    return (value,) if isinstance(value, str | models.Model) else value
