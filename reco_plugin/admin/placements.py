"""Placements: what stands where on the pages, changed without touching a template."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from reco_plugin import conf
from reco_plugin.admin import figures, previewing
from reco_plugin.admin.pages import EditingAdmin
from reco_plugin.admin.placement_form import NAMES, PlacementForm
from reco_plugin.admin.sites import SiteFilter, chosen
from reco_plugin.models import Placement
from reco_plugin.placements import BY_SLUG, advice, exchange, read


class PlacementAdmin(EditingAdmin):
    form = PlacementForm
    list_title = gettext_lazy("Placements")
    list_display = ("slug", "state", "page", "order", "kind_words", "products", "origin")
    list_filter = (SiteFilter, "page", "is_active")
    search_fields = ("slug", "title")
    ordering = ("page", "order", "slug")
    actions = ("switch_on", "switch_off", "reset")
    change_form_template = "admin/reco/placement.html"
    fieldsets = (
        (None, {"fields": ("slug", "page", "order", "title", "is_active")}),
        (
            gettext_lazy("What fills it"),
            {"fields": ("kinds", "fallback", ("min_items", "max_items"))},
        ),
        (gettext_lazy("Which products"), {"fields": ("filters", "must_match", "must_differ")}),
        (gettext_lazy("Variety"), {"fields": ("diversity", "caps", "rotate_after", "explore")}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = path(
            "<path:object_id>/preview/", view(self.preview_view), name="reco_placement_preview"
        )
        return [own, *super().get_urls()]

    # --- the form ---------------------------------------------------------------------------

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """New rows belong to the site that is looked at."""
        form = super().get_form(request, obj, change, **kwargs)
        return type("PlacementForm", (form,), {"site": chosen(request)})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """By another name, one that comes with the app would come again."""
        return ("slug",) if obj is not None and obj.slug in BY_SLUG else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What comes with the app is switched off: deleted, it would be in force as it came."""
        comes_with_the_app = obj is not None and obj.slug in BY_SLUG
        return not comes_with_the_app and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        spec, _wrong = read(obj)
        for sentence in advice(spec) if spec else ():
            self.message_user(request, sentence, messages.WARNING)

    def render_change_form(  # noqa: PLR0917  the stock signature
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context["reco_wrong"] = read(obj)[1]
            context["reco_preview"] = self.here(request, "preview", obj.pk)
        return super().render_change_form(request, context, add, change, form_url, obj)

    # --- the list ---------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("kinds"))
    def kind_words(self, row: Placement) -> str:
        spec, _wrong = read(row)
        if spec is None:
            return figures.NOTHING
        return ", ".join(str(NAMES.get(share.kind, share.kind)) for share in spec.kinds)

    @admin.display(description=gettext_lazy("products"))
    def products(self, row: Placement) -> str:
        return f"{row.min_items}–{row.max_items}"  # noqa: RUF001

    @admin.display(description=gettext_lazy("active"), ordering="is_active")
    def state(self, row: Placement) -> Any:
        wrong = read(row)[1]
        if wrong:
            badge, words = "error", _("cannot be used")
        elif row.slug in conf.settings.DISABLED_PLACEMENTS:
            badge, words = "paused", _("off by RECO_DISABLED_PLACEMENTS")
        else:
            badge, words = ("ok", _("active")) if row.is_active else ("paused", _("draft"))
        return format_html('<span class="reco-badge reco-{}">{}</span>', badge, words)

    @admin.display(description=gettext_lazy("from"))
    def origin(self, row: Placement) -> str:
        if row.slug not in BY_SLUG:
            return _("your own")
        return _("as it came") if read(row)[0] == BY_SLUG[row.slug] else _("changed")

    # --- actions ----------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Switch on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, rows: QuerySet[Placement]) -> None:
        self._switch(request, rows, True)

    @admin.action(description=gettext_lazy("Switch off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, rows: QuerySet[Placement]) -> None:
        self._switch(request, rows, False)

    @admin.action(description=gettext_lazy("Make as it came with the app"), permissions=["change"])
    def reset(self, request: HttpRequest, rows: QuerySet[Placement]) -> None:
        done = [row for row in rows if row.slug in BY_SLUG]
        for row in done:
            exchange.write(row, BY_SLUG[row.slug])
            self.log_change(request, row, _("Made as it came with the app."))
        self._tell(request, len(done))

    def _switch(self, request: HttpRequest, rows: QuerySet[Placement], is_active: bool) -> None:
        done = [row for row in rows if row.is_active is not is_active]
        for row in done:
            row.is_active = is_active
            row.save(using=conf.settings.DATABASE, update_fields=["is_active", "updated_at"])
            self.log_change(request, row, _("Switched on.") if is_active else _("Switched off."))
        self._tell(request, len(done))

    def _tell(self, request: HttpRequest, count: int) -> None:
        words = ngettext("%d placement was changed.", "%d placements were changed.", count) % count
        self.message_user(request, words, messages.SUCCESS if count else messages.INFO)

    # --- preview ----------------------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """What is typed may be looked at before it is saved; what is wrong with it comes first."""
        asked = request.method == "POST" and "_preview" in request.POST
        if asked and (page := self._unsaved(request, object_id)):
            return page
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _unsaved(self, request: HttpRequest, object_id: str | None) -> HttpResponseBase | None:
        row = self.get_object(request, unquote(object_id)) if object_id else None
        may = self.has_change_permission(request, row) if row else self.has_add_permission(request)
        if not may or (object_id and row is None):
            return None
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row)
        if not form.is_valid():
            return None
        return previewing.unsaved(self, request, form.instance, form.spec(form.cleaned_data))

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """What this placement would show now, active or not. Nothing is recorded."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404(_("There is no such placement."))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return previewing.view(self, request, row)
