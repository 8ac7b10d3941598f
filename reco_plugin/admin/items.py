"""What the catalogue says of each product, as the trainers see it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin import conf
from reco_plugin.admin import figures, run_facts, search
from reco_plugin.admin.pages import ReadOnlyAdmin
from reco_plugin.admin.paging import ShortPaginator
from reco_plugin.admin.sites import SiteFilter
from reco_plugin.models import Item


class ItemAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Products, as the trainers see them")
    list_display = ("name", "key", "brand", "shelves", "price_words", "caution", "synced")
    list_filter = (SiteFilter, "sensitive")
    search_fields = ("title",)  # shows the box
    search_help_text = gettext_lazy("A product's key, or part of its title")
    list_deferred = ("text", "attributes", "tags", "content_hash")
    ordering = ("pk",)
    sortable_by = ()
    paginator = ShortPaginator
    list_max_show_all = 0
    fields = readonly_fields = (
        "name",
        "key",
        "in_the_shop",
        "events",
        "brand",
        "shelves",
        "price_words",
        "tag_words",
        "facts",
        "group_key",
        "caution",
        "since",
        "text",
        "synced",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        wanted = Q(title__icontains=term)
        if (key := search.as_key(term)) is not None:
            wanted |= Q(pk=key)
        return queryset.filter(wanted), False

    # --- columns ----------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("title"))
    def name(self, item: Item) -> str:
        return item.title or str(item.pk)

    @admin.display(description=gettext_lazy("key"))
    def key(self, item: Item) -> str:
        return str(item.pk)

    @admin.display(description=gettext_lazy("categories"))
    def shelves(self, item: Item) -> str:
        return _texts(item.categories)

    @admin.display(description=gettext_lazy("price at the last sync"))
    def price_words(self, item: Item) -> str:
        return figures.decimal(item.price, 2)

    @admin.display(description=gettext_lazy("sensitive"))
    def caution(self, item: Item) -> str:
        return _("sensitive") if item.sensitive else figures.NOTHING

    @admin.display(description=gettext_lazy("synced"))
    def synced(self, item: Item) -> str:
        return figures.moment(item.synced_at)

    @admin.display(description=gettext_lazy("tags"))
    def tag_words(self, item: Item) -> str:
        return _texts(item.tags)

    @admin.display(description=gettext_lazy("attributes"))
    def facts(self, item: Item) -> str:
        told = [f"{name}: {value}" for name, value in run_facts.flat(item.attributes)]
        return _texts(told)

    @admin.display(description=gettext_lazy("variant of"))
    def group_key(self, item: Item) -> str:
        return figures.NOTHING if item.group_id is None else str(item.group_id)

    @admin.display(description=gettext_lazy("available since"))
    def since(self, item: Item) -> str:
        return figures.moment(item.available_since)

    @admin.display(description=gettext_lazy("in the shop"))
    def in_the_shop(self, item: Item) -> Any:
        """A link into the shop's own admin, where that knows products."""
        app, model = conf.product_model().lower().split(".")
        try:
            url = reverse(
                f"admin:{app}_{model}_change", args=[item.pk], current_app=self.admin_site.name
            )
        except NoReverseMatch:
            return figures.NOTHING
        return format_html('<a href="{}">{}</a>', url, _("Open the product"))

    @admin.display(description=gettext_lazy("interactions"))
    def events(self, item: Item) -> Any:
        url = reverse("admin:reco_interaction_changelist", current_app=self.admin_site.name)
        sought = urlencode({"q": f"product:{item.pk}", "site": str(item.site)})
        return format_html('<a href="{}?{}">{}</a>', url, sought, _("What shoppers did with it"))


def _texts(values: Any) -> str:
    known = [str(value) for value in values] if isinstance(values, list) else []
    return ", ".join(known) or figures.NOTHING
