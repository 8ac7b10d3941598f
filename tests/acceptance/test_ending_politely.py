"""SIGTERM that comes while Python finalizes something: what a handler raises there is lost, the wish is not."""

from __future__ import annotations

import os
import signal
import sys
import weakref
from pathlib import Path

import pytest

from reco_plugin.management.commands import reco_tick

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the example is not in the wheel

from example_shop.demo.report import Report


class Thing:
    pass


@pytest.fixture
def _restored(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: None)
    monkeypatch.setattr(sys, "excepthook", lambda *lost: None)  # where a finalizer tells of it
    yield
    signal.signal(signal.SIGTERM, before)


def in_a_finalizer() -> None:
    """SIGTERM while one runs; comes back as if nothing had been."""
    thing = Thing()
    weakref.finalize(thing, os.kill, os.getpid(), signal.SIGTERM)
    del thing


@pytest.mark.usefixtures("_restored")
def test_the_demo_ends_with_its_step():
    report = Report(quiet=True)
    signal.signal(signal.SIGTERM, report.end)
    with pytest.raises(SystemExit) as ended, report.step("Products"):
        in_a_finalizer()
    assert ended.value.code == 128 + signal.SIGTERM
    assert not report.facts["seconds"]


@pytest.mark.usefixtures("_restored")
def test_the_loop_of_jobs_ends_after_the_tick(monkeypatch):
    turns = []

    def once(self, site, options):
        turns.append(site)
        in_a_finalizer()
        if len(turns) > 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(reco_tick.Command, "_try_once", once)
    reco_tick.Command().handle(
        site=1, dry_run=False, loop=True, every=0.001, no_progress=True, json=False, verbosity=0
    )
    assert turns == [1]
