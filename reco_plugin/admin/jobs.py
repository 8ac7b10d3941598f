"""Jobs: how each stands, what it did lately; start, pause and resume by POST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from reco_plugin import conf
from reco_plugin.admin import health, job_facts
from reco_plugin.admin.pages import ReadOnlyAdmin, permitted
from reco_plugin.admin.sites import chosen, known, query
from reco_plugin.jobs.running.execute import pause, request, resume
from reco_plugin.jobs.running.schedule import specs, standing
from reco_plugin.models import Job, JobLog

REFRESH = 10
"""Seconds between two looks, where the operator asked for that."""
LATEST = 50
ACTIONS: dict[str, tuple[Callable[[str, int], None], Any]] = {
    "start": (request, lambda: _("“%s” was asked for; it starts at the next tick.")),
    "pause": (pause, lambda: _("“%s” does not start by itself any more.")),
    "resume": (resume, lambda: _("“%s” starts by itself again.")),
}


class JobAdmin(ReadOnlyAdmin):
    """Jobs are a table in code; a row is there once one of them was ever asked for."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("of/<slug:name>/", view(self.job_view), name="reco_job_of"),
            path("of/<slug:name>/<slug:action>/", view(self.act_view), name="reco_job_act"),
            path("readiness/", view(self.readiness_view), name="reco_job_readiness"),
            path("settings/", view(self.settings_view), name="reco_job_settings"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Every job, also those that never ran."""
        self._demand_view(request)
        site = chosen(request)
        sites = known()
        return self.page(
            request,
            "jobs.html",
            title=_("Jobs"),
            jobs=[job_facts.described(job) for job in standing(site)],
            is_enabled=conf.settings.ENABLED,
            may_start=permitted(request, "start_job"),
            sites=sites if len(sites) > 1 else [],
            site=site,
            refresh=_refresh(request),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Where links of the history lead: the page of the job the row is of."""
        self._demand_view(request)
        job = self.get_object(request, object_id)
        if job is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        return self._to(request, job.name)

    def job_view(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """One job, and what its last executions came to."""
        self._demand_view(request)
        site = chosen(request)
        found = next((job for job in standing(site) if job.spec.name == name), None)
        if found is None:
            raise Http404(_("There is no job %s.") % name)
        logs = JobLog.objects.using(conf.settings.DATABASE).filter(site=site, name=name)
        latest = list(logs.order_by("-started_at")[:LATEST])
        return self.page(
            request,
            "job.html",
            title=found.spec.title,
            job=job_facts.described(found),
            shares=job_facts.open_shares(site, name),
            may_start=permitted(request, "start_job"),
            executions=[job_facts.execution(log) for log in latest],
            chart=job_facts.durations(latest),
            refresh=_refresh(request),
        )

    def act_view(self, request: HttpRequest, name: str, action: str) -> HttpResponseBase:
        """POST only: start, pause or resume. Raises PermissionDenied, Http404."""
        if not permitted(request, "start_job"):
            raise PermissionDenied
        if action not in ACTIONS or name not in specs():
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        act, words = ACTIONS[action]
        act(name, chosen(request))
        row = Job.objects.using(conf.settings.DATABASE).get(name=name, site=chosen(request))
        said = words() % specs()[name].title
        self.log_change(request, row, said)
        self.message_user(request, said)
        return self._to(request, "" if "list" in request.POST else name)

    def readiness_view(self, request: HttpRequest) -> HttpResponseBase:
        self._demand_view(request)
        return health.readiness_view(self, request)

    def settings_view(self, request: HttpRequest) -> HttpResponseBase:
        self._demand_view(request)
        return health.settings_view(self, request)

    def _demand_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _to(self, request: HttpRequest, name: str) -> HttpResponseRedirect:
        view, args = ("of", [name]) if name else ("changelist", [])
        url = reverse(f"admin:reco_job_{view}", args=args, current_app=self.admin_site.name)
        return HttpResponseRedirect(url + query(request))


def _refresh(request: HttpRequest) -> int:
    """Seconds until the page looks again; 0: it does not."""
    return REFRESH if "refresh" in request.GET else 0
