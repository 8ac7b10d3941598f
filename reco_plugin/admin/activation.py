"""Make a run live, or take it back: asked on a page of its own, done by POST, written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from reco_plugin import conf
from reco_plugin.admin import comparing, run_facts
from reco_plugin.admin.pages import permitted
from reco_plugin.admin.sites import query
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import decisions, publish
from reco_plugin.jobs.running import execute
from reco_plugin.models import ActiveRun, Run

if TYPE_CHECKING:
    from reco_plugin.admin.runs import RunAdmin


def active(site: int, kind: str) -> ActiveRun | None:
    """The row that says which run of a kind is live."""
    rows = ActiveRun.objects.using(conf.settings.DATABASE).select_related("run", "previous")
    return rows.filter(site=site, kind=kind).first()


def activate_view(admin: RunAdmin, request: HttpRequest, pk: int) -> HttpResponseBase:
    """GET asks, POST makes run `pk` the live one."""
    run = _demand(request, pk)
    change = Change(
        run=run,
        becomes=run,
        title=_("Make run %s live?") % run.pk,
        done=_("Run %(run)s is live now."),
        is_rollback=False,
    )
    return _asked(admin, request, change)


def roll_back_view(admin: RunAdmin, request: HttpRequest, pk: int) -> HttpResponseBase:
    """GET asks, POST makes the run live that was so before run `pk`."""
    run = _demand(request, pk)
    standing = active(run.site, run.kind)
    before = standing.previous if standing else None
    if before is None:
        admin.message_user(request, _("There is no earlier run to go back to."), messages.WARNING)
        return _to(admin, request, run.pk)
    change = Change(
        run=run,
        becomes=before,
        title=_("Go back to run %s?") % before.pk,
        done=_("Back to run %(run)s, which is live again."),
        is_rollback=True,
    )
    return _asked(admin, request, change)


def overrule_view(admin: RunAdmin, request: HttpRequest, pk: int) -> HttpResponseBase:
    """GET asks for a reason, POST makes rejected run `pk` live, or lets the job `train` do so."""
    run = _demand(request, pk)
    why = request.POST.get("why", "").strip()
    if reason := decisions.why_not(run):
        admin.message_user(request, reason, messages.ERROR)
        return _to(admin, request, run.pk)
    if request.method != "POST" or not why:
        return admin.page(
            request,
            "overrule.html",
            title=_("Make run %s live against its gates?") % run.pk,
            run=run,
            gates=[gate for gate in run_facts.gates(run) if gate.passed is False],
            is_at_once=decisions.is_whole(run),
            is_asked_again=request.method == "POST",
        )
    return _overruled(admin, request, run, why)


def _overruled(admin: RunAdmin, request: HttpRequest, run: Run, why: str) -> HttpResponseBase:
    try:
        decisions.overrule(run, by=request.user.get_username(), why=why)
    except RecoError as error:
        admin.message_user(request, str(error), messages.ERROR)
        return _to(admin, request, run.pk)
    if decisions.is_whole(run):
        words = _("Run %s is live now, against its gates.")
    else:
        execute.request("train", run.site)
        words = _("Written down. A worker publishes run %s and makes it live at its next look.")
    admin.log_change(request, run, _("Against its gates: %s") % why)
    admin.message_user(request, words % run.pk, messages.SUCCESS)
    return _to(admin, request, run.pk)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is asked about, and done once the operator says yes."""

    run: Run
    """Whose page it came from."""
    becomes: Run
    title: str
    done: str
    is_rollback: bool


def _asked(admin: RunAdmin, request: HttpRequest, change: Change) -> HttpResponseBase:
    standing = active(change.run.site, change.run.kind)
    live = standing.run if standing else None
    live_pk = str(live.pk) if live else ""
    if request.method != "POST":
        return admin.page(
            request,
            "confirm_live.html",
            title=change.title,
            run=change.run,
            becomes=change.becomes,
            live=live,
            live_pk=live_pk,
            is_rollback=change.is_rollback,
            rows=comparing.rows(live, change.becomes) if live else [],
        )
    if request.POST.get("live", "") != live_pk:
        words = _("Meanwhile another run went live. Look again before you decide.")
        admin.message_user(request, words, messages.WARNING)
        return _to(admin, request, change.run.pk)
    return _done(admin, request, change)


def _done(admin: RunAdmin, request: HttpRequest, change: Change) -> HttpResponseBase:
    """`activate` and not `rollback` also to go back: asked twice, that one toggles."""
    try:
        now = publish.activate(change.becomes)
    except RecoError as error:
        admin.message_user(request, str(error), messages.ERROR)
        return _to(admin, request, change.run.pk)
    what = decisions.ROLLED_BACK if change.is_rollback else decisions.ACTIVATED
    decisions.decide(change.becomes, what, by=request.user.get_username())
    admin.log_change(request, change.becomes, change.done % {"run": now.run_id})
    admin.message_user(request, change.done % {"run": now.run_id}, messages.SUCCESS)
    return _to(admin, request, now.run_id)


def _demand(request: HttpRequest, pk: int) -> Run:
    """Raises PermissionDenied, or Http404 where there is no such run."""
    if not permitted(request, "activate_run"):
        raise PermissionDenied
    run = Run.objects.using(conf.settings.DATABASE).filter(pk=pk).first()
    if run is None:
        raise Http404(_("There is no run %s.") % pk)
    return run


def _to(admin: Any, request: HttpRequest, pk: int) -> HttpResponseRedirect:
    url = reverse("admin:reco_run_change", args=[pk], current_app=admin.admin_site.name)
    return HttpResponseRedirect(url + query(request))
