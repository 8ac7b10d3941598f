"""Runs: the list, one run in full, quality over time, two runs side by side, and which one is live."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin.admin import (
    activation,
    blend_facts,
    comparing,
    comparison,
    figures,
    learning,
    overview,
    run_facts,
    since,
    tuning,
)
from reco_plugin.admin import quality as over_time
from reco_plugin.admin.pages import ReadOnlyAdmin, permitted
from reco_plugin.admin.sites import SiteFilter, query
from reco_plugin.jobs import decisions
from reco_plugin.jobs.tuned import TUNING
from reco_plugin.models import COMPARISON, ActiveRun, Run, RunStatus


class KindFilter(admin.SimpleListFilter):
    """The two kinds, without a statement that looks for them."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return list(run_facts.KINDS.items())  # type: ignore[arg-type]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class RunAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Runs")
    list_deferred = ("log", "config", "store_state")
    list_display = (
        "title",
        "status_words",
        "trained",
        "quality",
        "learnt_from",
    )
    list_filter = (SiteFilter, KindFilter, "status")
    ordering = ("-pk",)
    actions = ("compare",)

    # --- the list ---------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        runs = super().get_queryset(request)
        live = ActiveRun.objects.filter(run=OuterRef("pk"))
        found: QuerySet[Any] = runs.annotate(is_live=Exists(live))
        return found

    @admin.display(description=gettext_lazy("run"), ordering="pk")
    def title(self, run: Any) -> Any:
        kind = run_facts.KINDS.get(run.kind, run.kind)
        if not run.is_live:
            return f"{run.pk} · {kind}"
        return format_html(
            '{} · {} <strong class="reco-live">● {}</strong>', run.pk, kind, _("live")
        )

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def status_words(self, run: Run) -> Any:
        why = run_facts.why_not(run)
        short = why if len(why) <= 160 else f"{why[:159]}…"
        return format_html("{}<br>{}", status(run), short) if short else status(run)

    @admin.display(description=gettext_lazy("trained"), ordering="created_at")
    def trained(self, run: Run) -> str:
        return figures.moment(run.created_at)

    @admin.display(description=gettext_lazy("learnt from"))
    def learnt_from(self, run: Run) -> Any:
        sizes = (f"{count} {words}" for words, count in run_facts.counts(run)[:2])
        return format_html_join(
            "", "{}<br>", ((words,) for words in (run_facts.window(run), *sizes))
        )

    @admin.display(description=gettext_lazy("quality"))
    def quality(self, run: Run) -> Any:
        """NDCG with its lift over popularity, recall, coverage."""
        own, lift = run_facts.mean(run, "ndcg"), run_facts.lift(run)
        if own is None:
            return figures.NOTHING
        beside = "" if lift is None else f" ({figures.signed_share(lift, 0)})"
        return format_html(
            "NDCG {}{}<br>{} {}<br>{} {}",
            figures.decimal(own),
            beside,
            _("recall"),
            figures.decimal(run_facts.mean(run, "recall")),
            _("coverage"),
            figures.share(run_facts.mean(run, "coverage")),
        )

    @admin.action(description=gettext_lazy("Compare two runs"), permissions=["view"])
    def compare(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponseBase | None:
        chosen = sorted(queryset.values_list("pk", flat=True)[:3])
        if len(chosen) != 2:
            self.message_user(request, _("Select exactly two runs to compare."), messages.WARNING)
            return None
        url = reverse("admin:reco_run_compare", args=chosen, current_app=self.admin_site.name)
        return HttpResponseRedirect(url + query(request))

    # --- pages of their own -----------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("tuning/", view(self.tuning_view), name="reco_run_tuning"),
            path("over-time/", view(self.over_time_view), name="reco_run_over_time"),
            path("comparison/", view(self.comparison_view), name="reco_run_comparison"),
            path("compare/<int:one>/<int:two>/", view(self.compare_view), name="reco_run_compare"),
            path("<int:pk>/activate/", view(self.activate_view), name="reco_run_activate"),
            path("<int:pk>/overrule/", view(self.overrule_view), name="reco_run_overrule"),
            path("<int:pk>/roll-back/", view(self.roll_back_view), name="reco_run_roll_back"),
        ]
        return [*own, *super().get_urls()]

    def overview(self, request: HttpRequest) -> dict[str, Any]:
        """What stands on top of the app's index page, by the tag `reco_overview`."""
        return {**self.strip(request), **overview.told(request)}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """One run in full."""
        if not self.has_view_permission(request):
            return super().change_view(request, object_id, form_url, extra_context)
        run = self.get_object(request, object_id)
        if run is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        if run.kind == COMPARISON:
            return HttpResponseRedirect(self._comparison(request, run))
        return self.page(request, "run.html", title=_("Run %s") % run.pk, **described(request, run))

    def tuning_view(self, request: HttpRequest) -> HttpResponseBase:
        return tuning.view(self, request)

    def _comparison(self, request: HttpRequest, run: Run) -> str:
        """A comparison has a page of its own."""
        url = reverse("admin:reco_run_comparison", current_app=self.admin_site.name)
        return f"{url}?run={run.pk}&site={run.site}"

    def over_time_view(self, request: HttpRequest) -> HttpResponseBase:
        return over_time.view(self, request)

    def comparison_view(self, request: HttpRequest) -> HttpResponseBase:
        return comparison.view(self, request)

    def compare_view(self, request: HttpRequest, one: int, two: int) -> HttpResponseBase:
        return comparing.view(self, request, one, two)

    def activate_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return activation.activate_view(self, request, pk)

    def overrule_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return activation.overrule_view(self, request, pk)

    def roll_back_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return activation.roll_back_view(self, request, pk)


def status(run: Run) -> Any:
    """The status as a word with a class to colour it by."""
    known = run.status if run.status in RunStatus.values else "unknown"
    words = run_facts.STATUS.get(RunStatus(run.status), run.status) if known != "unknown" else known
    return format_html('<span class="reco-badge reco-{}">{}</span>', known, words)


def described(request: HttpRequest, run: Any) -> dict[str, Any]:
    """What the page of one run shows, and what the operator may do from there."""
    active = activation.active(run.site, run.kind)
    is_live = active is not None and active.run_id == run.pk
    may = permitted(request, "activate_run")
    lines = run_facts.log_lines(run)
    return {
        "run": run,
        "original": run,
        "object": run,
        "is_live": is_live,
        "active": active,
        "live_since": figures.moment(active.activated_at) if active else "",
        "status": status(run),
        "kind": run_facts.KINDS.get(run.kind, run.kind),
        "why_not": run_facts.why_not(run),
        "facts": facts(run),
        "gates": run_facts.gates(run),
        "ways": run_facts.ways(run),
        "figure_titles": run_facts.figure_titles(run),
        "lift": figures.signed_share(run_facts.lift(run), 0),
        "has_lift": run_facts.lift(run) is not None,
        "since": since.chart([run]),
        "learning": learning.chart(run),
        "learnt": learning.kept(run),
        "blend": blend_facts.told(run),
        "beside": run_facts.beside_live(run),
        "decisions": run_facts.decided(run),
        "notes": run_facts.notes(run),
        "stages": run_facts.stages(run.timings, [line.stage for line in lines]),
        "log_lines": lines,
        "config": list(run_facts.flat(run.config)),
        "store_state": list(run_facts.flat(run.store_state)),
        "may_activate": may
        and not is_live
        and run.status == RunStatus.PUBLISHED
        and run.kind != TUNING,
        "may_overrule": may and not decisions.why_not(run),
        "may_roll_back": may
        and run.kind != TUNING
        and is_live
        and active is not None
        and bool(active.previous_id),
    }


def facts(run: Run) -> list[tuple[Any, Any]]:
    """The short of it."""
    return [
        (_("Trainer"), run.trainer),
        (_("Started"), figures.moment(run.created_at)),
        (_("Finished"), figures.moment(run.finished_at)),
        (_("Time spent"), figures.span(run_facts.seconds(run))),
        (_("Data"), run_facts.window(run)),
        *((words.capitalize(), count) for words, count in run_facts.counts(run)),
    ]
