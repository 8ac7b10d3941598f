"""A merchandiser's own links: what goes with a product, in order."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin import backends, conf
from reco_plugin.admin import search
from reco_plugin.admin.pages import EditingAdmin
from reco_plugin.admin.paging import ShortPaginator
from reco_plugin.admin.sites import SiteFilter, chosen
from reco_plugin.models import Item, ManualLink

MOST_NAMED = 5
"""Products that a word may have meant, listed for the merchandiser to choose from."""


class ProductField(forms.CharField):
    """A product by its key, or by a part of its title that only one has; gives the product itself."""

    site = 1

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=200,
            widget=forms.TextInput({"size": 40}),
            help_text=gettext_lazy("A key, or part of a title."),
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        products = backends.catalog().products()
        key = search.as_key(text)
        found = products.filter(pk=key).first() if key is not None else None
        return found or products.get(pk=self._by_title(text))

    def _by_title(self, text: str) -> Any:
        items = Item.objects.using(conf.settings.DATABASE).filter(site=self.site)
        named = list(items.filter(title__icontains=text).order_by("title", "pk")[: MOST_NAMED + 1])
        alive = set(
            backends.catalog()
            .products()
            .filter(pk__in=[one.pk for one in named])
            .values_list("pk", flat=True)
        )
        named = [one for one in named if one.pk in alive]
        exact = [one for one in named if one.title.casefold() == text.casefold()]
        if len(exact) == 1 or len(named) == 1:
            return (exact or named)[0].pk
        if not named:
            raise ValidationError(_("There is no product “%s”.") % text)
        choices = ", ".join(f"{one.pk} ({one.title})" for one in named[:MOST_NAMED])
        raise ValidationError(_("Which one? Name its key: %s") % choices)


class ManualLinkForm(forms.ModelForm):  # type: ignore[type-arg]
    """`site` is that of new rows."""

    site = 1
    product = ProductField(label=gettext_lazy("Product"))
    target = ProductField(label=gettext_lazy("Goes with"))

    class Meta:
        model = ManualLink
        fields = ("product", "target", "order")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.instance.site = self.site
        for name in ("product", "target"):
            field = self.fields.get(name)
            if isinstance(field, ProductField):
                field.site = self.instance.site

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        product, target = cleaned.get("product"), cleaned.get("target")
        if product is not None and product == target:
            self.add_error("target", _("A product does not go with itself."))
        elif product is not None and target is not None and self._is_there(product, target):
            self.add_error("target", _("There is this link already."))
        return cleaned

    def _is_there(self, product: Any, target: Any) -> bool:
        rows = ManualLink.objects.using(conf.settings.DATABASE)
        same = rows.filter(site=self.instance.site, product=product.pk, target=target.pk)
        return same.exclude(pk=self.instance.pk).exists()


class ManualLinkAdmin(EditingAdmin):
    form = ManualLinkForm
    list_title = gettext_lazy("Own links between products")
    list_display = ("product_name", "order", "target_name")
    list_display_links = ("product_name", "target_name")
    list_filter = (SiteFilter,)
    search_fields = ("product",)  # shows the box
    search_help_text = gettext_lazy("A product's key, or part of its title")
    ordering = ("product_id", "order", "pk")
    sortable_by = ()
    paginator = ShortPaginator
    list_max_show_all = 0
    change_form_template = "admin/reco/editing.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With titles as of the last sync: no statement per row, and rows of deleted products stay."""
        items = Item.objects.using(conf.settings.DATABASE)
        titled: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .annotate(
                product_title=Subquery(items.filter(pk=OuterRef("product")).values("title")[:1]),
                target_title=Subquery(items.filter(pk=OuterRef("target")).values("title")[:1]),
            )
        )
        return titled

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        found = search.products(term, chosen(request))
        return queryset.filter(Q(product__in=found) | Q(target__in=found)), False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type("ManualLinkForm", (form,), {"site": chosen(request)})

    @admin.display(description=gettext_lazy("product"))
    def product_name(self, link: Any) -> str:
        return f"{link.product_title or '?'} ({link.product_id})"

    @admin.display(description=gettext_lazy("goes with"))
    def target_name(self, link: Any) -> str:
        return f"{link.target_title or '?'} ({link.target_id})"
