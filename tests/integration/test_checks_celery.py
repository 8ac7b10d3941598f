"""What the checks say of real Celery apps, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("celery")

PROGRAM = """
import json
import django
from celery import Celery
app = Celery("shop", broker="memory://")
{then}
django.setup()
from django.core.checks import run_checks
print(json.dumps([found.id for found in run_checks(tags=["reco"], databases=[])]))
"""
BEAT = "from reco_plugin.beat import BEAT_SCHEDULE\napp.conf.beat_schedule = {**BEAT_SCHEDULE}\n"


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ("", {"reco.W014", "reco.W015"}),
        (BEAT, {"reco.W015"}),
        (BEAT + "app.autodiscover_tasks()", set()),
        (BEAT + "app.conf.include = ['reco_plugin.tasks']", set()),
    ],
)
def test_w014_w015_of_a_real_app(then: str, told: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(then=then)],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "testapp.settings",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "RECO_TEST_DATABASE_URL": "sqlite",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) & {"reco.W014", "reco.W015"} == told
