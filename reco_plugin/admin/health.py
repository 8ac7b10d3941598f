"""How far the data is, what the doctor finds, and the settings as they are in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin import doctor
from reco_plugin.admin import charts, figures
from reco_plugin.admin.pages import permitted
from reco_plugin.admin.sites import chosen
from reco_plugin.jobs.running.schedule import standing

if TYPE_CHECKING:
    from reco_plugin.admin.jobs import JobAdmin

LEVELS = {
    "ok": ("✓", gettext_lazy("all right")),
    "note": ("i", gettext_lazy("to know")),
    "warning": ("!", gettext_lazy("warning")),
    "error": ("✗", gettext_lazy("error")),
}
KINDS = {
    "popular": gettext_lazy("What is popular"),
    "similar": gettext_lazy("Similar products"),
    "personal": gettext_lazy("Picked for a shopper"),
    "bought_together": gettext_lazy("Bought together"),
    "viewed_viewed": gettext_lazy("Viewed after viewing"),
    "viewed_bought": gettext_lazy("Bought after viewing"),
    "bought_bought": gettext_lazy("Bought after buying"),
    "because_you_viewed": gettext_lazy("Because you viewed"),
    "recently_viewed": gettext_lazy("Recently viewed"),
    "continue_shopping": gettext_lazy("Continue shopping"),
    "buy_again": gettext_lazy("Buy it again"),
    "trending": gettext_lazy("Trending"),
    "best_converting": gettext_lazy("Best converting"),
    "new_arrivals": gettext_lazy("New arrivals"),
    "on_sale": gettext_lazy("On sale"),
    "long_tail": gettext_lazy("From the long tail"),
    "manual": gettext_lazy("Linked by hand"),
}
READY = {
    "good": ("published", gettext_lazy("good")),
    "weak": ("warning", gettext_lazy("weak")),
    "fallback": ("waiting", gettext_lazy("its fallback is shown")),
}


def readiness_view(admin: JobAdmin, request: HttpRequest) -> HttpResponseBase:
    """GET: how far the data is. POST: the doctor's findings too, with `slow` also those of probes that
    start a process or call the broker, which takes the permission to start jobs."""
    site = chosen(request)
    findings = _findings(request, site) if request.method == "POST" else []
    return admin.page(
        request,
        "readiness.html",
        title=_("Readiness"),
        kinds=kinds(site),
        was_asked=bool(findings),
        troubles=_told(findings, ("error", "warning", "note")),
        fine=_told(findings, ("ok",)),
        next_step=doctor.next_step(site, findings),
        may_start=permitted(request, "start_job"),
    )


def _findings(request: HttpRequest, site: int) -> list[doctor.Finding]:
    is_slow = "slow" in request.POST
    if is_slow and not permitted(request, "start_job"):
        raise PermissionDenied
    return list(doctor.probes(site, fast=not is_slow))


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    level: str
    level_words: Any
    words: str
    hint: str

    @classmethod
    def of(cls, finding: doctor.Finding) -> Self:
        sign, words = LEVELS[finding.level]
        return cls(
            level=finding.level,
            level_words=f"{sign} {words}",
            words=finding.words,
            hint=finding.hint,
        )


def _told(findings: list[doctor.Finding], levels: Sequence[str]) -> list[FindingRow]:
    """Those of these levels, the worst first, otherwise as the doctor found them."""
    found = [finding for finding in findings if finding.level in levels]
    return [
        FindingRow.of(finding)
        for finding in sorted(found, key=lambda finding: levels.index(finding.level))
    ]


@dataclass(frozen=True, kw_only=True)
class KindRow:
    title: Any
    figure: str
    badge: str
    level: Any
    is_good: bool
    bar: SafeString
    words: str
    next_step: str


def kinds(site: int) -> list[KindRow]:
    """Readiness, kind by kind."""
    return [
        KindRow(
            title=KINDS.get(kind.kind, kind.kind),
            figure=figures.share(kind.figure / 100, 0),
            badge=READY[kind.level][0],
            level=READY[kind.level][1],
            is_good=kind.level == "good",
            bar=charts.bar(kind.figure / 100),
            words=kind.words,
            next_step=kind.next_step,
        )
        for kind in doctor.readiness(site)
    ]


def in_one_line(site: int) -> tuple[str, str]:
    """(level, words) of the jobs and of what is live."""
    jobs = standing(site)
    silent = [str(job.spec.title) for job in jobs if job.is_stale]
    failed = [str(job.spec.title) for job in jobs if job.row and job.row.failures]
    if failed:
        return "error", _("Failing: %s.") % ", ".join(failed)
    if silent:
        return "warning", _("Fell silent: %s.") % ", ".join(silent)
    if not any(job.row and job.row.succeeded_at for job in jobs):
        return "warning", _("No job has run yet: is there a worker, or a cron line?")
    return "ok", _("All jobs are well.")


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    name: str
    doc: str
    value: str
    is_default: bool


def settings_view(admin: JobAdmin, request: HttpRequest) -> HttpResponseBase:
    """Every setting, its value in force, and whether somebody chose it."""
    rows = [
        SettingRow(name=setting.name, doc=setting.doc, value=repr(value), is_default=is_default)
        for setting, value, is_default in doctor.settings_in_force()
    ]
    return admin.page(
        request,
        "settings.html",
        title=_("Settings in force"),
        chosen=[row for row in rows if not row.is_default],
        defaults=[row for row in rows if row.is_default],
    )
