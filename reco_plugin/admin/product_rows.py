"""Lists in which every row is about a product, shown with its picture."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin.admin import search
from reco_plugin.admin.pages import ReadOnlyAdmin
from reco_plugin.admin.paging import ShortPaginator
from reco_plugin.admin.sites import SiteChangeList, chosen
from reco_plugin.admin.thumbnails import Thumbnail, thumbnails


class ProductRows(SiteChangeList):
    """Adds the products, in two statements for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        _show(self.result_list, request, self.model_admin.admin_site)


class ProductRowsAdmin(ReadOnlyAdmin):
    """Rows with a `product`: its column is `product_name`, and it is what the box searches for."""

    list_display_links = ("product_name",)
    search_help_text = gettext_lazy("A product's key, or part of its title")
    sought_in: tuple[str, ...] = ()
    """Fields of the row itself that the word may stand in, too."""
    sortable_by = ()
    paginator = ShortPaginator
    list_max_show_all = 0

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SiteChangeList]:
        return ProductRows

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        _show([found] if found else [], request, self.admin_site)
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        wanted = Q(product__in=search.products(term, chosen(request)))
        for name in self.sought_in:
            wanted |= Q(**{f"{name}__icontains": term})
        return queryset.filter(wanted), False

    @admin.display(description=gettext_lazy("product"))
    def product_name(self, row: Any) -> Any:
        shown: Thumbnail = row.shown
        return format_html(
            '<span class="reco-product">{}<span>{}<br><small class="reco-quiet">{}</small></span></span>',
            shown.img, shown.title, shown.category or row.product_id,
        )  # fmt: skip


def _show(rows: Any, request: HttpRequest, admin_site: admin.AdminSite) -> None:
    """Give each row `shown`, its product."""
    known = thumbnails((row.product_id for row in rows), request, admin_site)
    for row in rows:
        gone = Thumbnail(key=row.product_id, title=_("No longer in the shop"))
        row.shown = known.get(row.product_id, gone)
