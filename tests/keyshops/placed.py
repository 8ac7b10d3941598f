"""From the tables before placements to today's, and back. Prints what rows there are, as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from reco_plugin.models import Interest, ManualLink, Placement, Related, Run  # noqa: E402

BEFORE = "0003"
OURS = (Interest, ManualLink, Placement, Related)


def counts() -> dict[str, int]:
    """Rows by table, of those that are there."""
    there = set(connection.introspection.table_names())
    return {
        model.__name__: model.objects.count() for model in OURS if model._meta.db_table in there
    }


def product() -> Any:
    """One of the shop's, with the least it needs."""
    model = apps.get_model(settings.RECO_PRODUCT_MODEL)
    key = {"pk": "A-1"} if model._meta.pk.get_internal_type() == "CharField" else {}
    return model.objects.create(name="Boots", **key)


found: dict[str, Any] = {}
call_command("migrate", "reco", BEFORE, verbosity=0)
found["before"] = counts()
call_command("migrate", verbosity=0)
found["forward"] = counts()
Placement.objects.filter(slug="home_new").update(title="Fresh", is_active=False)
one, run = product(), Run.objects.create(kind="behaviour", trainer="t")
ManualLink.objects.create(product=one, target=one)
Related.objects.create(run=run, product=one, relation="viewed_viewed", keys=[], scores=[])
found["linked"] = ManualLink.objects.get().target_id == one.pk
call_command("migrate", verbosity=0)
found["again"] = counts()
found["kept"] = list(Placement.objects.filter(title="Fresh").values_list("slug", "is_active"))
call_command("migrate", "reco", BEFORE, verbosity=0)
found["back"] = counts()
call_command("migrate", "reco", verbosity=0)
found["forth"] = counts()
sys.stdout.write(json.dumps(found))
