"""What every execution came to."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin.admin import figures, job_facts, run_facts
from reco_plugin.admin.pages import ReadOnlyAdmin
from reco_plugin.admin.paging import ShortPaginator
from reco_plugin.admin.sites import SiteFilter
from reco_plugin.jobs.running.schedule import specs
from reco_plugin.models import JobLog


class JobFilter(admin.SimpleListFilter):
    title = gettext_lazy("job")
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(name, spec.title) for name, spec in specs().items()]  # type: ignore[misc]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(name=self.value()) if self.value() else queryset


class JobLogAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Executions of jobs")
    list_deferred = ("report", "timings")
    list_display = ("job", "outcome_words", "started", "took", "holder", "short_error")
    list_filter = (SiteFilter, JobFilter, "outcome")
    ordering = ("-started_at",)
    paginator = ShortPaginator

    @admin.display(description=gettext_lazy("job"))
    def job(self, log: JobLog) -> Any:
        return specs()[log.name].title if log.name in specs() else log.name

    @admin.display(description=gettext_lazy("outcome"))
    def outcome_words(self, log: JobLog) -> Any:
        return format_html(
            '<span class="reco-badge reco-{}">{}</span>', log.outcome, job_facts.outcome(log)
        )

    @admin.display(description=gettext_lazy("started"), ordering="started_at")
    def started(self, log: JobLog) -> str:
        return figures.moment(log.started_at)

    @admin.display(description=gettext_lazy("took"))
    def took(self, log: JobLog) -> str:
        return figures.span(job_facts.seconds(log))

    @admin.display(description=gettext_lazy("error"))
    def short_error(self, log: JobLog) -> str:
        return log.error if len(log.error) <= 200 else f"{log.error[:199]}…"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """One execution in full."""
        if not self.has_view_permission(request):
            return super().change_view(request, object_id, form_url, extra_context)
        log = self.get_object(request, object_id)
        if log is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        return self.page(
            request,
            "job_log.html",
            title=_("%(job)s, attempt %(number)s")
            % {"job": self.job(log), "number": figures.whole(log.attempt)},
            log=log,
            execution=job_facts.execution(log),
            stages=run_facts.stages(log.timings),
            report=list(run_facts.flat(log.report)),
        )
