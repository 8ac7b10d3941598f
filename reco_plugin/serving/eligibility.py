"""The live rows of the shop that this request may be shown: read last, never a copied attribute.

Left out in the same statement: what was asked to be left out (with its sibling variants), what the
shopper bought lately or dismissed, and sensitive products where the list would give a taste away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet, FieldDoesNotExist
from django.db import connections
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from reco_plugin import conf
from reco_plugin.bounded import savepoint
from reco_plugin.catalog import Catalog
from reco_plugin.catalog.paths import first_field
from reco_plugin.models import Interaction, Item
from reco_plugin.serving import compiled
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.past import bought_since
from reco_plugin.stores.base import Within
from reco_plugin.types import EventKind, Key

if TYPE_CHECKING:
    from reco_plugin.serving.shared import Shared

GROUP = "reco_group"


class Eligibility:
    """Answers which products may be shown, for one question. Make one per slate.

    Live rows are read once per page: what another slate asked for is remembered.
    """

    def __init__(self, ask: Ask, shared: Shared) -> None:
        self._ask = ask
        self._of = ask.of
        self._shared = shared
        self._group = group_of_variant(ask.of.catalog)
        self._kept = self._recall()
        self._allowed = self._kept.allowed if self._kept else self._ask_catalog()

    @property
    def has_groups(self) -> bool:
        """Can two products be one tile?"""
        return self._group is not None

    def excluded(self, *, shows_bought: bool = False) -> frozenset[Key]:
        """What is left out by its key, as far as that is known."""
        past = self._shared.past
        if past is None:
            return self._of.excluded
        bought = frozenset() if shows_bought else past.bought
        return self._of.excluded.union(past.dismissed, bought)

    def live(
        self, keys: Sequence[Key], *, sensitive: bool, shows_bought: bool = False
    ) -> dict[Key, tuple[Any, Key]]:
        """Key → (live product, key of its group) of those of `keys` that may be shown."""
        purpose = self.purpose(sensitive, shows_bought)
        known = self._shared.rows.setdefault(purpose, {})
        missing = [key for key in keys if key not in known]
        if missing:
            self._shared.check("live")
            products = list(self._products(missing, sensitive, shows_bought))
            known |= dict.fromkeys(missing)
            known |= {each.pk: (each, getattr(each, GROUP, each.pk)) for each in products}
        found = ((key, known[key]) for key in keys)
        return {key: row for key, row in found if row is not None}

    def known(self, *, sensitive: bool, shows_bought: bool) -> Mapping[Key, object]:
        """The live rows that were read for such a question already."""
        return self._shared.rows.get(self.purpose(sensitive, shows_bought), {})

    def within(
        self, groups: Collection[Key], *, sensitive: bool, without: Collection[Key] = ()
    ) -> Within | None:
        """Every product that may be shown but those of `groups`, as SQL; None when there is none."""
        column = "pk" if self._group is None else GROUP
        left_out = {f"{column}__in": list(groups)}
        queryset = self._narrowed(sensitive, False).exclude(**left_out)
        queryset = queryset.exclude(pk__in=list(self.excluded().union(without)))
        query = queryset.order_by().values("pk").query
        try:
            sql, params = query.get_compiler(using=self._ask.using).as_sql()
        except EmptyResultSet:
            return None
        return Within(sql=sql, params=tuple(params))

    # --- the parts ---------------------------------------------------------------------------

    @property
    def _past_is_known(self) -> bool:
        past = self._shared.past
        return not self._shared.is_known or (past is not None and past.whole)

    def purpose(self, sensitive: bool, shows_bought: bool) -> object:
        """Equal for questions that the same live rows answer."""
        unknown = None if self._past_is_known else shows_bought
        groups = None if self._group is None else self.excluded(shows_bought=shows_bought)
        return sensitive, unknown, groups

    def _products(self, keys: Sequence[Key], sensitive: bool, shows_bought: bool) -> Iterable[Any]:
        queryset = self._narrowed(sensitive, shows_bought)
        if self._kept is not None and self._past_is_known:
            made = self._kept.compiled(sensitive, queryset, self._ask.using)
            return made.rows(keys) if made else ()
        queryset = queryset.filter(pk__in=keys).order_by()
        return queryset if self._group is None else queryset.annotate(**{GROUP: self._group})

    def _recall(self) -> compiled.Kept | None:
        """Where the shop allows it, and no two products can be one tile, what was allowed a moment ago."""
        using, catalog = self._ask.using, self._of.catalog
        if not catalog.eligible_for_all or self._group is not None:
            return None
        if connections[using].vendor != "postgresql":
            return None
        return compiled.recall(catalog, using) or compiled.keep(catalog, using, self._ask_catalog())

    def _ask_catalog(self) -> QuerySet[Any]:
        """The shop's own code runs outside our bounded reads, whose writes are always undone.

        It is asked once per page.
        """
        using, catalog = self._ask.using, self._of.catalog
        known: QuerySet[Any] | None = self._shared.allowed.get(id(catalog))
        if known is None:
            products = catalog.products().using(using).prefetch_related(None)
            with savepoint(using):
                known = catalog.eligible(products, self._of.request)
            self._shared.allowed[id(catalog)] = known
        return known

    def _narrowed(self, sensitive: bool, shows_bought: bool) -> QuerySet[Any]:
        queryset = self._allowed
        if not sensitive and knows_sensitive(self._of.catalog):
            marked = Item.objects.filter(pk=OuterRef("pk"), sensitive=True)
            queryset = queryset.filter(~Exists(marked))
        if self._group is not None:
            queryset = queryset.alias(**{GROUP: self._group})
            if self.excluded(shows_bought=shows_bought) or not self._past_is_known:
                queryset = queryset.exclude(**{f"{GROUP}__in": self._groups(shows_bought)})
        elif not self._past_is_known:
            queryset = queryset.exclude(pk__in=self._past(shows_bought).values("product_id"))
        return queryset

    def _groups(self, shows_bought: bool) -> QuerySet[Any]:
        """Groups of what is left out, so that its sibling variants are left out too."""
        wanted = Q(pk__in=list(self.excluded(shows_bought=shows_bought)))
        if not self._past_is_known:
            wanted |= Q(pk__in=self._past(shows_bought).values("product_id"))
        everything = self._of.catalog.model._default_manager.all()
        groups: QuerySet[Any] = everything.filter(wanted).annotate(**{GROUP: self._group})
        return groups.values(GROUP)

    def _past(self, shows_bought: bool) -> QuerySet[Interaction]:
        shopper = self._of.shopper
        assert shopper is not None
        left_out = Q(kind=EventKind.DISMISS_ITEM)
        if (since := bought_since()) and not shows_bought:
            left_out |= Q(kind=EventKind.PURCHASE, occurred_at__gte=since)
        return Interaction.objects.filter(
            left_out, site=self._of.site, shopper=shopper.id, product__isnull=False
        )


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
