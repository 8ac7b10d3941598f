"""What shoppers did: newest first, searchable, never counted whole, never changed."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin import clock, conf
from reco_plugin.admin import dropped, figures, search
from reco_plugin.admin.pages import ReadOnlyAdmin
from reco_plugin.admin.paging import ShortPaginator, TookTooLong, patiently
from reco_plugin.admin.sites import PARAMETER as SITE
from reco_plugin.admin.sites import SiteChangeList, SiteFilter, chosen
from reco_plugin.models import Interaction, Item
from reco_plugin.types import EventKind, EventSource

BEFORE = "before"
"""Parameter of the link to older rows: a time, so that the index is entered there, and the last row
of that time that was seen (a day's imported orders may all have one)."""


class WhenFilter(admin.SimpleListFilter):
    title = gettext_lazy("when")
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [
            ("1", _("Last 24 hours")),
            ("7", _("Last 7 days")),
            ("30", _("Last 30 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"1", "7", "30"}:
            return queryset
        since = clock.now() - dt.timedelta(days=int(self.value() or 0))
        return queryset.filter(occurred_at__gte=since)


class InteractionList(SiteChangeList):
    """Adds the names of products and users, each in one statement for the page."""

    is_cut = False

    def get_filters_params(self, params: Any = None) -> Any:
        found = super().get_filters_params(params)
        found.pop(BEFORE, None)
        return found

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        rows = super().get_queryset(request, *args, **kwargs)
        time, _comma, last = request.GET.get(BEFORE, "").partition(",")
        before = clock.aware(figures.parsed(time))
        if before is None:
            return rows
        if not (last.isascii() and last.isdecimal()):
            return rows.filter(occurred_at__lt=before)
        return rows.filter(occurred_at__lte=before).exclude(occurred_at=before, pk__gte=int(last))

    def get_results(self, request: HttpRequest) -> None:
        try:
            with patiently(conf.settings.DATABASE):
                super().get_results(request)
                self.result_list = list(self.result_list)
                self.is_cut = bool(getattr(self.paginator, "is_cut", False))
        except TookTooLong:
            self._give_up(request)
        _name(self.result_list, request, self.model_admin.admin_site)

    def _give_up(self, request: HttpRequest) -> None:
        self.result_list = self.model._default_manager.none()
        self.result_count = self.full_result_count = 0
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        words = _("That took too long. Name a shopper or a product, or choose a shorter time.")
        messages.warning(request, words)

    @property
    def older(self) -> str:
        """Query string of the page that goes on where this one ends; '' where it does not."""
        rows: Any = self.result_list
        if not rows or not (self.is_cut and self._is_last()):
            return ""
        last = clock.aware(rows[-1].occurred_at)
        seen = f"{last.isoformat()},{rows[-1].pk}" if last else ""
        return self.get_query_string({BEFORE: seen}, ["p"]) if seen else ""

    def _is_last(self) -> bool:
        return bool(self.page_num >= self.paginator.num_pages)


class InteractionAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Interactions")
    list_display = ("when", "what", "product_title", "who", "how_many", "paid", "source_words")
    list_display_links = ("when",)
    list_filter = (SiteFilter, WhenFilter, "kind", "source")
    search_fields = ("shopper",)  # shows the box; `get_search_results` knows what is meant
    search_help_text = gettext_lazy(
        "A shopper's id, a user, a product's key or part of its title; "
        "precisely: shopper:…, user:…, product:…"
    )
    ordering = ("-occurred_at",)
    sortable_by = ()
    paginator = ShortPaginator
    list_max_show_all = 0
    fields = readonly_fields = (
        "when",
        "received",
        "what",
        "product_title",
        "product_key",
        "who",
        "shopper_key",
        "how_many",
        "paid",
        "order",
        "rating",
        "query",
        "device_words",
        "source_words",
        "event_id",
        "site",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SiteChangeList]:
        return InteractionList

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.dropped_view)
        return [path("dropped/", view, name="reco_interaction_dropped"), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        found = search.meant(term, chosen(request), request, self.admin_site)
        return found.interactions(queryset), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        _name([found] if found else [], request, self.admin_site)
        return found

    def dropped_view(self, request: HttpRequest) -> HttpResponseBase:
        """What was left out, and why."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = dropped.told(chosen(request))
        return self.page(request, "dropped.html", title=_("Events left out"), **context)

    # --- columns ----------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("when"))
    def when(self, row: Interaction) -> str:
        return figures.moment(row.occurred_at)

    @admin.display(description=gettext_lazy("received"))
    def received(self, row: Interaction) -> str:
        return figures.moment(row.received_at)

    @admin.display(description=gettext_lazy("event"))
    def what(self, row: Interaction) -> str:
        return EventKind(row.kind).ga4 if row.kind in set(EventKind) else str(row.kind)

    @admin.display(description=gettext_lazy("product"))
    def product_title(self, row: Any) -> Any:
        if row.product_id is None:
            return row.query or figures.NOTHING
        return self._searching(row, f"product:{row.product_id}", row.product_name or row.product_id)

    @admin.display(description=gettext_lazy("product's key"))
    def product_key(self, row: Interaction) -> str:
        return str(row.product_id) if row.product_id is not None else figures.NOTHING

    @admin.display(description=gettext_lazy("shopper"))
    def who(self, row: Any) -> Any:
        return self._searching(
            row, f"shopper:{row.shopper}", row.user_name or f"{str(row.shopper)[:8]}…"
        )

    @admin.display(description=gettext_lazy("shopper's id"))
    def shopper_key(self, row: Interaction) -> str:
        return str(row.shopper)

    def _searching(self, row: Interaction, term: str, words: Any) -> Any:
        """A link that lists what else belongs to a shopper or a product."""
        url = reverse("admin:reco_interaction_changelist", current_app=self.admin_site.name)
        sought = {"q": term, SITE: str(row.site)}
        return format_html('<a href="{}?{}">{}</a>', url, urlencode(sought), words)

    @admin.display(description=gettext_lazy("quantity"))
    def how_many(self, row: Interaction) -> str:
        return figures.whole(row.quantity)

    @admin.display(description=gettext_lazy("price"))
    def paid(self, row: Interaction) -> str:
        if row.price is None:
            return figures.NOTHING
        return f"{figures.decimal(float(row.price), 2)} {row.currency}".strip()

    @admin.display(description=gettext_lazy("device"))
    def device_words(self, row: Interaction) -> str:
        return row.device or figures.NOTHING

    @admin.display(description=gettext_lazy("source"))
    def source_words(self, row: Interaction) -> str:
        known = row.source in set(EventSource)
        return EventSource(row.source).name.lower() if known else str(row.source)


def _name(rows: Any, request: HttpRequest, admin_site: admin.AdminSite) -> None:
    """Give each row `product_name` and `user_name`, '' where there is none or it is not for this operator."""
    titles = Item.objects.using(conf.settings.DATABASE).filter(
        pk__in={row.product_id for row in rows if row.product_id is not None}
    )
    named = dict(titles.values_list("pk", "title")) if rows else {}
    keys = {row.user_id for row in rows if row.user_id is not None}
    users = search.users_for(request, admin_site).in_bulk(keys) if keys else {}
    for row in rows:
        row.product_name = named.get(row.product_id, "")
        row.user_name = str(users.get(row.user_id, ""))
