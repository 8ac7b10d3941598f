"""The pictures of products: which can be looked at, which cannot and why; out of quarantine by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from reco_plugin import conf
from reco_plugin.admin import figures
from reco_plugin.admin.pages import permitted
from reco_plugin.admin.picture_pages import PicturePages
from reco_plugin.admin.product_rows import ProductRowsAdmin
from reco_plugin.admin.sites import SiteFilter, chosen
from reco_plugin.encoders.base import Fault
from reco_plugin.jobs.picture_rows import release
from reco_plugin.models import Picture, PictureState

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

REASONS: Mapping[str, _StrPromise] = {
    Fault.EMPTY: gettext_lazy("Empty file"),
    Fault.TOO_LARGE: gettext_lazy("Too many bytes"),
    Fault.FORMAT: gettext_lazy("Format not allowed"),
    Fault.BOMB: gettext_lazy("Too many pixels"),
    Fault.TOO_SMALL: gettext_lazy("Too small"),
    Fault.TRUNCATED: gettext_lazy("Broken"),
    Fault.KILLER: gettext_lazy("Killed who opened it"),
    Fault.MISSING: gettext_lazy("Missing"),
    Fault.STORAGE: gettext_lazy("Storage failed"),
    Fault.FORBIDDEN: gettext_lazy("Address not allowed"),
}


class ReasonFilter(admin.SimpleListFilter):
    """Why they were refused; shown where any was."""

    title = gettext_lazy("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        rows = Picture.objects.using(conf.settings.DATABASE).filter(site=chosen(request))
        rows = rows.exclude(reason="").order_by("reason")
        found = rows.values_list("reason", flat=True).distinct()
        return [(reason, _reason(reason)) for reason in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


class PictureAdmin(PicturePages, ProductRowsAdmin):
    list_title = gettext_lazy("Pictures of products")
    list_display = ("product_name", "place", "name", "state_words", "why", "strikes", "looked")
    list_filter = (SiteFilter, "state", ReasonFilter)
    list_deferred = ("content_hash", "marker")
    search_fields = ("name",)  # shows the box
    sought_in = ("name",)
    search_help_text = gettext_lazy("A product's key, or part of its title or of a file's name")
    ordering = ("pk",)
    actions = ("let_out",)
    fields = readonly_fields = (
        "product_name", "place", "name", "state_words", "why", "told", "strikes", "looked",
        "content_hash",
    )  # fmt: skip

    # --- out of quarantine ------------------------------------------------------------------

    def has_release_permission(self, request: HttpRequest) -> bool:
        return permitted(request, "release_picture")

    @admin.action(
        description=gettext_lazy("Let out of quarantine: try them again"), permissions=["release"]
    )
    def let_out(self, request: HttpRequest, queryset: QuerySet[Picture]) -> None:
        held = queryset.filter(state=PictureState.QUARANTINED).order_by("pk")
        rows = list(held.only("pk", "name"))
        if not rows:
            self.message_user(request, _("None of them is in quarantine."), messages.WARNING)
            return
        done = release(Picture.objects.using(held.db).filter(pk__in=[row.pk for row in rows]))
        message = _("Let out of quarantine")
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, message)  # type: ignore[arg-type]
        words = ngettext(
            "%s picture is tried again by the next look at them.",
            "%s pictures are tried again by the next look at them.",
            done,
        )
        self.message_user(request, words % figures.whole(done), messages.SUCCESS)

    # --- columns ----------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("place"))
    def place(self, row: Picture) -> str:
        return _("Gallery %s") % figures.whole(row.position) if row.position else _("Main")

    @admin.display(description=gettext_lazy("state"))
    def state_words(self, row: Picture) -> str:
        return row.get_state_display()

    @admin.display(description=gettext_lazy("reason"))
    def why(self, row: Picture) -> Any:
        if not row.reason:
            return figures.NOTHING
        return format_html('<span title="{}">{}</span>', row.words, _reason(row.reason))

    @admin.display(description=gettext_lazy("what is wrong"))
    def told(self, row: Picture) -> str:
        return row.words or figures.NOTHING

    @admin.display(description=gettext_lazy("last looked at"))
    def looked(self, row: Picture) -> str:
        return figures.moment(row.looked_at)


def _reason(reason: str) -> str:
    return str(REASONS.get(reason, reason))
