"""The Celery app, and a bad angel: WORKERSHOP_DEATHS names a file of 'job:stage' lines. The process
that enters such a stage takes the line out and kills itself, as the kernel does when memory is short."""

from __future__ import annotations

import datetime as dt
import os
import signal
from pathlib import Path
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workershop.settings")
app = Celery("workershop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def _prepare(**_: Any) -> None:
    from reco_plugin.jobs.running import lease
    from reco_plugin.signals import job_stage_entered

    lease.OFFER = dt.timedelta(seconds=5)  # what a broker lost is offered again sooner
    job_stage_entered.connect(_die, weak=False)


def _die(name: str, stage: str, **_: Any) -> None:
    if "WORKERSHOP_DEATHS" not in os.environ:
        return
    file = Path(os.environ["WORKERSHOP_DEATHS"])
    lines = file.read_text().split()
    if f"{name}:{stage}" in lines:
        lines.remove(f"{name}:{stage}")
        file.write_text("\n".join(lines))
        _forgive(name)
        os.kill(os.getpid(), signal.SIGKILL)


def _forgive(name: str) -> None:
    """Each death is to be the first: after several in a row a job waits."""
    from reco_plugin.models import Job

    Job.objects.filter(name=name).update(failures=0)
