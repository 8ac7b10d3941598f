"""The index page of the app: what is live, how the jobs stand, what was shown and clicked."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from reco_plugin import conf, doctor
from reco_plugin.admin import (
    activation,
    drift,
    exposure,
    figures,
    health,
    quality,
    run_facts,
    since,
)
from reco_plugin.admin.pages import may_see
from reco_plugin.admin.sites import chosen, known
from reco_plugin.models import RUN_KINDS, ActiveRun


def told(request: HttpRequest) -> dict[str, Any]:
    """For whom may see runs; others get the stock index alone."""
    if not may_see(request, "run"):
        return {}
    site = chosen(request)
    sites = known()
    level, words = health.in_one_line(site)
    return {
        "health": words,
        "level": level,
        "next_step": doctor.next_step(site),
        "may_see_jobs": may_see(request, "job"),
        "is_enabled": conf.settings.ENABLED,
        "live": live(site),
        **_quality(site),
        "shown": exposure.told(site),
        "sites": sites if len(sites) > 1 else [],
        "site": site,
    }


def _quality(site: int) -> dict[str, Any]:
    """Charts of the personal runs, and whether the shop has moved away from the live one."""
    runs = quality.recent(site, "personal")
    standing = activation.active(site, "personal")
    found = (quality.ndcg_chart(runs), since.chart(runs))
    return {
        "charts": [chart for chart in found if chart],
        "drift": drift.told(standing.run if standing else None, runs),
    }


def live(site: int) -> list[dict[str, Any]]:
    """Of each kind: which run is live, since when, and how good it is."""
    rows = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site)
    by_kind = {row.kind: row for row in rows.select_related("run").defer("run__log")}
    return [
        {
            "kind": run_facts.KINDS[kind],
            "active": by_kind.get(kind),
            "run": str(by_kind[kind].run_id) if kind in by_kind else "",
            "since": figures.moment(by_kind[kind].activated_at) if kind in by_kind else "",
            "ago": figures.ago(by_kind[kind].activated_at) if kind in by_kind else "",
            "window": run_facts.window(by_kind[kind].run) if kind in by_kind else "",
            "lift": _lift(by_kind.get(kind)),
        }
        for kind in RUN_KINDS
    ]


def _lift(row: ActiveRun | None) -> str:
    found = run_facts.lift(row.run) if row else None
    return "" if found is None else figures.signed_share(found, 0)
