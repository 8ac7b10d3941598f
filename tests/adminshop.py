"""Operators with the permissions a test gives them, and rows for them to look at."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from testapp.models import Customer, Product

from reco_plugin.models import ActiveRun, Interaction, Item, Run, RunStatus
from reco_plugin.types import EventKind, EventSource

MARKUP = "<script>alert('1')</script><b>Boots</b> & \"more\""
VIEW = tuple(
    f"reco.view_{name}"
    for name in (
        "run",
        "job",
        "joblog",
        "interaction",
        "item",
        "placement",
        "manuallink",
        "suggestion",
        "picture",
    )
)


class Rights:
    """The test shop's users have no groups: what they may is what this says, by e-mail."""

    def __init__(self) -> None:
        self.of: dict[str, frozenset[str]] = {}

    @classmethod
    def in_force(cls, monkeypatch: pytest.MonkeyPatch) -> Rights:
        """For one test."""
        found = cls()

        def has_perm(user: Customer, permission: str, instance: object = None) -> bool:
            return permission in found.of.get(user.email, ())

        def has_module_perms(user: Customer, app: str) -> bool:
            return any(name.startswith(f"{app}.") for name in found.of.get(user.email, ()))

        monkeypatch.setattr(Customer, "has_perm", has_perm)
        monkeypatch.setattr(Customer, "has_module_perms", has_module_perms)
        return found

    def operator(self, *permissions: str, name: str = "operator") -> Client:
        """A client logged in as staff with these permissions and no other."""
        email = f"{name}@example.com"
        user = Customer.objects.filter(email=email).first()
        if user is None:
            user = Customer.objects.create_user(email, is_staff=True)
        self.of[email] = frozenset(permissions)
        client = Client()
        client.force_login(user)
        return client


def estimate(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.002, "high": mean + 0.002, "n": 100}


def report(ndcg: float) -> dict[str, Any]:
    names = ("ndcg", "recall", "hit_rate", "mrr")
    return {f"{name}@10": estimate(ndcg) for name in names} | {
        "coverage@10": 0.4,
        "top_share@10": 0.1,
    }


def run(**changes: Any) -> Run:
    """A published personal run, as a training leaves it."""
    values: dict[str, Any] = {
        "kind": "personal",
        "trainer": "lightfm",
        "status": RunStatus.PUBLISHED,
        "store": "numpy",
        "store_state": {"nearest": {"index": "hnsw", "recall": 0.98}},
        "config": {"trainer": {"epochs": 8}, "seed": 0},
        "dataset": {
            "events": 12_345,
            "shoppers": 678,
            "items": 90,
            "quality": {
                "first": "2026-01-01",
                "last": "2026-03-01",
                "lines": ["12,345 of 12,350 events.", MARKUP],
            },
        },
        "metrics": {
            "k": 10,
            "served": "fold_in",
            "results": {"fold_in": report(0.06), "popularity": report(0.05)},
            "notes": ["A note of the measurement."],
        },
        "gates": [
            {"name": "finite", "passed": True, "words": "all numbers are finite"},
            {"name": "popularity", "passed": None, "words": "not measured"},
        ],
        "timings": {"dataset": 1.5, "fit": 75.0},
        "log": [{"at": "2026-03-01T10:00:00+00:00", "stage": "fit", "words": "epoch 8"}],
        "finished_at": timezone.now(),
    }
    return Run.objects.create(**{**values, **changes})


def live(of: Run, previous: Run | None = None) -> ActiveRun:
    return ActiveRun.objects.create(site=of.site, kind=of.kind, run=of, previous=previous)


def product(label: str = "Boots", **changes: Any) -> Product:
    """With its item, as the sync leaves it."""
    made = Product.objects.create(label=label, cents=500)
    values: dict[str, Any] = {
        "title": label,
        "categories": ["All > Boots"],
        "content_hash": "x",
        "price": 5.0,
    }
    Item.objects.create(product_id=made.pk, **{**values, **changes})
    return made


def event(of: Product | None, shopper: uuid.UUID | None = None, **changes: Any) -> Interaction:
    values: dict[str, Any] = {
        "event_id": uuid.uuid4(),
        "kind": EventKind.VIEW_ITEM,
        "shopper": shopper or uuid.uuid4(),
        "product_id": of.pk if of else None,
        "source": EventSource.TRACK,
        "occurred_at": timezone.now() - dt.timedelta(minutes=1),
    }
    return Interaction.objects.create(**{**values, **changes})
