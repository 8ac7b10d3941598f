"""The pasted lines and the written file at work; prints what was seen as one JSON object."""

from __future__ import annotations

import io
import json
import os
import sys
from importlib import import_module

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from reco_plugin import backends, recommend  # noqa: E402
from reco_plugin.models import Interaction, Item  # noqa: E402


def command(*words: str) -> dict:
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


call_command("migrate", run_syncdb=True, verbosity=0)
expected = import_module(f"{os.environ['SHAPE']}.fill").fill()
call_command("check", fail_level="WARNING")
synced = command("reco_sync_items")
imported = command("reco_backfill") if backends.orders() else {"purchases": 0, "left_out": {}}
command("reco_train", "--kind", "popular")
catalog = backends.catalog()
slate = recommend("popular", limit=50)
first = catalog.item(slate.products[0])
bought = Interaction.objects.filter(price__isnull=False).first()
sys.stdout.write(
    json.dumps(
        {
            "expected": expected,
            "synced": synced,
            "items": Item.objects.count(),
            "imported": imported,
            "shown": catalog.eligible(catalog.products(), None).count(),
            "slate": len(slate),
            "title": first.title,
            "brand": first.brand,
            "price": first.price,
            "category": list(first.categories),
            "image": catalog.image_url(slate.products[0]),
            "url": catalog.url(slate.products[0]),
            "paid": str(bought.price.quantize(bought.price.__class__("0.01"))) if bought else None,
        }
    )
)
