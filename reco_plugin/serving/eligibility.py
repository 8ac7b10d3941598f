"""The live rows of the shop that this request may be shown: read last, never a copied attribute.

Left out in the same statement: what was asked to be left out (with its sibling variants), what the
shopper bought lately or dismissed, and sensitive products where the list would give a taste away.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldDoesNotExist
from django.db import connections
from django.db.models import (
    Exists,
    F,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce

from reco_plugin import clock, conf
from reco_plugin.bounded import savepoint
from reco_plugin.catalog import Catalog
from reco_plugin.catalog.paths import first_field
from reco_plugin.models import Interaction, Item
from reco_plugin.serving import compiled
from reco_plugin.serving.asking import Ask
from reco_plugin.stores.base import Within
from reco_plugin.types import EventKind, Key

GROUP = "reco_group"


class Eligibility:
    """Answers which products may be shown, for one question. Make one per slate."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._group = group_of_variant(ask.catalog)
        self._kept = self._recall()
        self._allowed = self._kept.allowed if self._kept else self._ask_catalog()
        self.excluded = ask.excluded
        self._past_is_known = ask.shopper is None or ask.shopper.is_new

    def know_past(self, keys: Collection[Key], *, whole: bool) -> None:
        """What the shopper bought lately or dismissed; when `whole`, no statement need look for more."""
        self.excluded = self.excluded.union(keys)
        self._past_is_known = self._past_is_known or whole

    @property
    def has_groups(self) -> bool:
        """Can two products be one tile?"""
        return self._group is not None

    def live(self, keys: Sequence[Key], *, sensitive: bool) -> dict[Key, tuple[Any, Key]]:
        """Key → (live product, key of its group) of those of `keys` that may be shown."""
        products = self._products(keys, sensitive)
        return {product.pk: (product, getattr(product, GROUP, product.pk)) for product in products}

    def within(self, groups: Collection[Key], *, sensitive: bool) -> Within | None:
        """Every product that may be shown but those of `groups`, as SQL; None when there is none."""
        column = "pk" if self._group is None else GROUP
        left_out = {f"{column}__in": list(groups)}
        queryset = self._narrowed(sensitive).exclude(pk__in=list(self.excluded)).exclude(**left_out)
        query = queryset.order_by().values("pk").query
        try:
            sql, params = query.get_compiler(using=self._ask.using).as_sql()
        except EmptyResultSet:
            return None
        return Within(sql=sql, params=tuple(params))

    # --- the parts ---------------------------------------------------------------------------

    def _products(self, keys: Sequence[Key], sensitive: bool) -> Iterable[Any]:
        queryset = self._narrowed(sensitive)
        if self._kept is not None and self._past_is_known:
            made = self._kept.compiled(sensitive, queryset, self._ask.using)
            return made.rows(keys) if made else ()
        queryset = queryset.filter(pk__in=keys).order_by()
        return queryset if self._group is None else queryset.annotate(**{GROUP: self._group})

    def _recall(self) -> compiled.Kept | None:
        """Where the shop allows it, and no two products can be one tile, what was allowed a moment ago."""
        using, catalog = self._ask.using, self._ask.catalog
        if not catalog.eligible_for_all or self._group is not None:
            return None
        if connections[using].vendor != "postgresql":
            return None
        return compiled.recall(catalog, using) or compiled.keep(catalog, using, self._ask_catalog())

    def _ask_catalog(self) -> QuerySet[Any]:
        """The shop's own code runs outside our bounded reads, whose writes are always undone."""
        using, catalog = self._ask.using, self._ask.catalog
        products = catalog.products().using(using).prefetch_related(None)
        with savepoint(using):
            return catalog.eligible(products, self._ask.request)

    def _narrowed(self, sensitive: bool) -> QuerySet[Any]:
        queryset = self._allowed
        if not sensitive and knows_sensitive(self._ask.catalog):
            marked = Item.objects.filter(pk=OuterRef("pk"), sensitive=True)
            queryset = queryset.filter(~Exists(marked))
        if self._group is not None:
            queryset = queryset.alias(**{GROUP: self._group})
            if self.excluded or not self._past_is_known:
                queryset = queryset.exclude(**{f"{GROUP}__in": self._groups()})
        elif not self._past_is_known:
            queryset = queryset.exclude(pk__in=self._past().values("product_id"))
        return queryset

    def _groups(self) -> QuerySet[Any]:
        """Groups of what is left out, so that its sibling variants are left out too."""
        wanted = Q(pk__in=list(self.excluded))
        if not self._past_is_known:
            wanted |= Q(pk__in=self._past().values("product_id"))
        everything = self._ask.catalog.model._default_manager.all()
        groups: QuerySet[Any] = everything.filter(wanted).annotate(**{GROUP: self._group})
        return groups.values(GROUP)

    def _past(self) -> QuerySet[Interaction]:
        shopper = self._ask.shopper
        assert shopper is not None
        left_out = Q(kind=EventKind.DISMISS_ITEM)
        if since := bought_since():
            left_out |= Q(kind=EventKind.PURCHASE, occurred_at__gte=since)
        return Interaction.objects.filter(
            left_out, site=self._ask.site, shopper=shopper.id, product__isnull=False
        )


def bought_since() -> dt.datetime | None:
    """Purchases after this moment stay out; None when a purchase keeps nothing out."""
    days = conf.settings.EXCLUDE_PURCHASED_DAYS
    return clock.now() - dt.timedelta(days=days) if days > 0 else None


def group_of_variant(catalog: Catalog) -> Coalesce | None:
    """The key of a product's group in SQL: live from the shop's own column where it has one.

    Where the catalogue works the group out in Python, as of the last sync. None: no variants.
    """
    if type(catalog).get_group is Catalog.get_group:
        path = catalog.group or first_field(catalog.model, Catalog._GUESSES["group"])
        if not path:
            return None
        if _refers_to_product(catalog.model, path):
            return Coalesce(F(path), F("pk"), output_field=_key_field(catalog.model))
    synced = Item.objects.filter(pk=OuterRef("pk")).values("group_id")[:1]
    return Coalesce(Subquery(synced), F("pk"), output_field=_key_field(catalog.model))


def knows_sensitive(catalog: Catalog) -> bool:
    """Can any product of this shop be sensitive?"""
    overridden = type(catalog).is_sensitive is not Catalog.is_sensitive
    return overridden or bool(conf.settings.SENSITIVE_CATEGORIES)


def _key_field(model: type[Model]) -> Any:
    """The field behind the primary key, parent links followed."""
    field: Any = model._meta.pk
    while field.remote_field:
        field = field.target_field
    return field


def _refers_to_product(model: type[Model], path: str) -> bool:
    try:
        field = model._meta.get_field(path)
    except FieldDoesNotExist:
        return False
    return bool(field.is_relation and field.concrete and field.related_model is model)
