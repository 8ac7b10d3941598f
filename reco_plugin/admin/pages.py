"""What our admin pages have in common: most rows are looked at and never edited; pages of our own
beside them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from reco_plugin import conf
from reco_plugin.admin.sites import SiteChangeList, chosen, query

SECTIONS = (
    ("app_list", _("Overview"), ""),
    ("reco_run_changelist", _("Runs"), "run"),
    ("reco_run_over_time", _("Quality"), "run"),
    ("reco_run_tuning", _("Tuning"), "run"),
    ("reco_run_comparison", _("Comparison"), "run"),
    ("reco_job_changelist", _("Jobs"), "job"),
    ("reco_placement_changelist", _("Placements"), "placement"),
    ("reco_manuallink_changelist", _("Links"), "manuallink"),
    ("reco_picture_changelist", _("Pictures"), "picture"),
    ("reco_suggestion_changelist", _("Suggestions"), "suggestion"),
    ("reco_interaction_changelist", _("Interactions"), "interaction"),
    ("reco_item_changelist", _("Products"), "item"),
    ("reco_job_readiness", _("Readiness"), "job"),
    ("reco_job_settings", _("Settings"), "job"),
)
"""Our pages in the order of the strip on top of each: URL name, title, the model one must see."""


class OwnAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows of one site, in the database of RECO_DATABASE, with the strip of links on top."""

    list_title: Any = ""
    list_deferred: tuple[str, ...] = ()
    """Large columns that the list does not show, so does not read."""
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    class Media:
        css = {"all": ["reco/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).using(conf.settings.DATABASE)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SiteChangeList]:
        return SiteChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"title": self.list_title, **self.strip(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {**self.strip(request), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def page(
        self, request: HttpRequest, template: str, *, title: Any, **context: Any
    ) -> TemplateResponse:
        """A page of our own, below the list of this model, as the stock pages look."""
        request.current_app = self.admin_site.name
        whole = {
            **self.admin_site.each_context(request),
            **self.strip(request),
            "opts": self.opts,
            "media": self.media,
            "title": title,
            **context,
        }
        return TemplateResponse(request, f"admin/reco/{template}", whole)

    def strip(self, request: HttpRequest) -> dict[str, Any]:
        """The links between our pages that this operator may follow."""
        return {
            "reco_sections": sections(request, self.admin_site.name),
            "reco_site": chosen(request),
            "reco_query": query(request),
        }


class ReadOnlyAdmin(OwnAdmin):
    """Rows that people look at: nobody adds, changes or deletes one here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class EditingAdmin(OwnAdmin):
    """Rows that merchandisers write, by the stock permissions."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.save(using=conf.settings.DATABASE)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        obj.delete(using=conf.settings.DATABASE)

    def here(self, request: HttpRequest, view: str, *args: Any) -> str:
        """The address of a page of this model, which stays with the site."""
        url = reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_{view}",
            args=args,
            current_app=self.admin_site.name,
        )
        return url + query(request)


def sections(request: HttpRequest, name: str) -> list[dict[str, Any]]:
    """Links to our pages for whom they are; the one that is open is marked."""
    found = []
    for view, title, model in SECTIONS:
        if not model or may_see(request, model):
            kwargs = {"app_label": "reco"} if view == "app_list" else None
            url = reverse(f"admin:{view}", kwargs=kwargs, current_app=name)
            found.append(
                {
                    "title": title,
                    "url": url + query(request),
                    "is_open": request.path == url,
                }
            )
    return found


def may_see(request: HttpRequest, model: str) -> bool:
    """As the stock admin decides it: who may change may look."""
    return permitted(request, f"view_{model}") or permitted(request, f"change_{model}")


def permitted(request: HttpRequest, permission: str) -> bool:
    """May this operator do what `reco.<permission>` is about?"""
    return bool(request.user.has_perm(f"reco.{permission}"))
