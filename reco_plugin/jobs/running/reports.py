"""What an upkeep job wants to know of its last success: its report, as the job log keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reco_plugin import conf
from reco_plugin.models import JobLog, Outcome


def last_report(site: int, name: str) -> Mapping[str, Any]:
    """The report of the newest execution that ended well; empty when there is none (any more)."""
    logs = JobLog.objects.using(conf.settings.DATABASE).filter(
        site=site, name=name, outcome=Outcome.DONE
    )
    found = logs.order_by("-started_at").values_list("report", flat=True).first()
    return found if isinstance(found, dict) else {}
