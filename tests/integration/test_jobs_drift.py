"""A shop that stays as it was, and one that does not."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import adminshop
import numpy as np
import pytest
from adminshop import Rights
from django.utils import timezone
from jobs_shop import event, products
from testapp.models import Product

from reco_plugin import doctor
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Interaction, Outcome, Run
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> list[Product]:
    made = products()
    sync_items()
    return made


def happened(made: list[Product], first: int, last: int, **changes: Any) -> None:
    """500 events by 80 shoppers between `first` and `last` days ago."""
    random = np.random.default_rng(first)
    now = timezone.now()
    Interaction.objects.bulk_create(
        event(
            made[int(random.integers(len(made)))],
            uuid.UUID(int=int(random.integers(80)) + 1),
            occurred_at=now - dt.timedelta(days=float(random.uniform(last, first))),
            **changes,
        )
        for _ in range(500)
    )


def trained(days: int = 10, **changes: Any) -> Run:
    run = adminshop.run(**changes)
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - dt.timedelta(days=days))
    adminshop.live(run)
    return run


def looked(run: Run) -> dict[str, Any]:
    assert execute("drift").outcome == Outcome.DONE
    run.refresh_from_db()
    found: dict[str, Any] = run.metrics["drift"][-1]
    return found


def levels(entry: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["level"] for one in entry["shifts"]}


def test_what_stays_as_it_was_is_stable(shop):
    happened(shop, 60, 10)
    happened(shop, 6, 0)
    entry = looked(trained())
    assert set(levels(entry).values()) == {"stable"}
    assert set(levels(entry)) == {"kinds", "categories", "prices", "products"}
    assert entry["retrain"] is False


def test_other_products_are_a_shift_and_a_reason(shop):
    happened(shop[:30], 60, 10)
    happened(shop[30:], 6, 0)
    entry = looked(trained())
    assert levels(entry)["categories"] == levels(entry)["products"] == "large"
    assert entry["new_products"] == {"now": 1.0, "before": pytest.approx(0, abs=0.1)}
    assert entry["retrain"] is True
    assert "not learnt from" in entry["words"]


def test_a_kind_of_event_that_falls_silent_is_seen(shop):
    happened(shop, 60, 10)
    happened(shop, 60, 10, kind=EventKind.PURCHASE)
    happened(shop, 6, 0, kind=EventKind.PURCHASE)
    entry = looked(trained())
    (kinds,) = [one for one in entry["shifts"] if one["name"] == "kinds"]
    assert kinds["level"] == "large"
    assert kinds["moved"][0][0] in {"view_item", "purchase"}
    assert entry["retrain"] is True


def test_too_little_is_told_and_suggests_nothing(shop):
    happened(shop, 60, 10)
    entry = looked(trained())
    assert entry["shifts"] == []
    assert "Too little" in entry["words"]


def test_an_old_run_is_a_reason(shop):
    happened(shop, 60, 40)
    happened(shop, 6, 0)
    assert "40 days ago" in looked(trained(days=40))["words"]


def test_one_entry_a_day_is_kept(shop):
    run = trained()
    looked(run)
    looked(run)
    assert len(run.metrics["drift"]) == 1


def test_without_a_live_run_nothing_is_looked_at():
    assert execute("drift").report["run"] is None


def test_the_card_and_the_doctor_say_what_the_job_saw(shop, monkeypatch):
    happened(shop[:30], 60, 10)
    happened(shop[30:], 6, 0)
    run = trained()
    client = Rights.in_force(monkeypatch).operator("reco.view_run")
    assert "reco-drift" not in client.get("/admin/reco/").content.decode()
    looked(run)
    page = client.get("/admin/reco/").content.decode()
    assert "Train again" in page
    assert "Shift of the last week beside the history" in page
    assert "As a table" in page
    (finding,) = [one for one in doctor.probes(1, fast=True) if one.name == "drift.watched"]
    assert (finding.level, "Train again" in finding.words) == ("warning", True)
