"""What was tried to find better settings, what was found, and whether it is learnt by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from reco_plugin import conf
from reco_plugin.admin import figures, run_facts
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.admin.pages import permitted
from reco_plugin.admin.sites import chosen, query
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import tuned
from reco_plugin.jobs.publish import active_run
from reco_plugin.models import Run, RunStatus

if TYPE_CHECKING:
    from reco_plugin.admin.runs import RunAdmin

MOST = 10
"""Studies that are listed."""


def view(admin: RunAdmin, request: HttpRequest) -> HttpResponseBase:
    """GET shows, POST applies (`apply`: a run) or withdraws (`withdraw`). Raises PermissionDenied."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    site = chosen(request)
    if request.method == "POST":
        return _act(admin, request, site)
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=site, kind=tuned.TUNING)
    newest = list(runs.order_by("-pk")[:MOST])
    live = active_run(site, tuned.TUNING)
    shown = next((run for run in newest if str(run.pk) == request.GET.get("run")), None)
    shown = shown or (newest[0] if newest else None)
    return admin.page(
        request,
        "tuning.html",
        title=_("Tuning"),
        studies=[_study(run, live) for run in newest],
        shown=shown,
        live=live,
        settings=list(run_facts.flat(_found(live))) if live else [],
        is_for_other_trainer=live is not None and live.trainer != conf.settings.TRAINER,
        chart=chart(shown) if shown else None,
        gates=run_facts.gates(shown) if shown else [],
        trials=rows(shown) if shown else [],
        may_apply=permitted(request, "activate_run"),
    )


def _act(admin: RunAdmin, request: HttpRequest, site: int) -> HttpResponseBase:
    if not permitted(request, "activate_run"):
        raise PermissionDenied
    by = request.user.get_username()
    number = request.POST.get("apply", "")
    try:
        if "withdraw" in request.POST:
            run = tuned.withdraw(site, by=by)
            words = _("The next training learns by the shop's own settings again.")
        else:
            runs = Run.objects.using(conf.settings.DATABASE).filter(site=site, kind=tuned.TUNING)
            run = runs.get(pk=int(number) if number.isdecimal() else 0)
            tuned.apply(run, by=by)
            words = _("The next training learns by what run %s found.") % run.pk
    except (RecoError, Run.DoesNotExist) as error:
        admin.message_user(request, str(error), messages.ERROR)
    else:
        admin.log_change(request, run, words)
        admin.message_user(request, words, messages.SUCCESS)
    url = reverse("admin:reco_run_tuning", current_app=admin.admin_site.name)
    return HttpResponseRedirect(url + query(request))


def _study(run: Run, live: Run | None) -> dict[str, Any]:
    best, tried = _best(run), _trials(run)
    return {
        "run": run,
        "number": str(run.pk),
        "at": figures.moment(run.created_at),
        "status": run_facts.STATUS.get(RunStatus(run.status), run.status),
        "sampler": str(run_facts.part(run.config, "sampler") or ""),
        "trials": figures.whole(len(tried)),
        "best": figures.decimal(run_facts.part(best, "value")),
        "is_live": live is not None and run.pk == live.pk,
        "may_apply": run.status == RunStatus.PUBLISHED and (live is None or run.pk != live.pk),
    }


def chart(run: Run, name: str = "tuning") -> LineChart:
    """The value of every finished trial, and the best until then."""
    points, best, most = [], [], 0.0
    for one in _trials(run):
        value, number = one.get("value"), one.get("number")
        if one.get("state") != "finished" or not figures.is_number(value):
            continue
        most = max(most, float(value))  # type: ignore[arg-type]
        points.append(Point(x=float(number or 0), y=float(value)))  # type: ignore[arg-type]
        best.append(Point(x=float(number or 0), y=most))
    return LineChart(
        name=name,
        title=_("NDCG of the trials, over the folds"),
        lines=(
            Line(name=_("trial"), points=tuple(points)),
            Line(name=_("best so far"), points=tuple(best)),
        ),
        x_title=_("trial"),
        x_words=figures.whole,
        y_words=figures.compact,
    )


def rows(run: Run) -> list[dict[str, str]]:
    """The trials, the best first; those that were not finished last."""
    tried = sorted(_trials(run), key=lambda one: -(run_facts.part(one, "value") or -1.0))
    return [_row(one) for one in tried]


def _row(one: Mapping[str, Any]) -> dict[str, str]:
    params = run_facts.part(one, "params")
    told = [
        f"{str(name).partition('.')[2]}={figures.compact(value) if _is_real(value) else value}"
        for name, value in (params.items() if isinstance(params, Mapping) else ())
    ]
    return {
        "number": figures.whole(one.get("number")),
        "state": str(one.get("state", "")),
        "value": figures.decimal(one.get("value")),
        "difference": figures.signed(one.get("difference")),
        "seconds": figures.span(one.get("seconds")),
        "params": str(one.get("words") or "") or " ".join(told),
    }


def _is_real(value: Any) -> bool:
    return isinstance(value, float) and figures.is_number(value)


def _found(run: Run) -> Mapping[str, Any]:
    params = run_facts.part(_best(run), "params")
    return tuned.of(params).as_json() if isinstance(params, Mapping) else {}


def _best(run: Run) -> Any:
    return run_facts.part(run.metrics, "best")


def _trials(run: Run) -> Sequence[Mapping[str, Any]]:
    found = run_facts.part(run.metrics, "trials")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
