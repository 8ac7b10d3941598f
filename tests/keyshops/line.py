"""The whole line in one process of a key shop: sync, backfill, train, recommend, click, a new product.

Prints one JSON object of what was seen; the test judges it.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import sys
from collections import Counter
from html import unescape
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from reco_plugin import backends, conf, recommend  # noqa: E402
from reco_plugin.jobs.running.execute import execute  # noqa: E402
from reco_plugin.models import Click, Impression, Interaction, Neighbours  # noqa: E402
from reco_plugin.pipeline.exposure import shown  # noqa: E402
from reco_plugin.pipeline.facts import read_facts  # noqa: E402
from reco_plugin.serving import pointers  # noqa: E402
from reco_plugin.types import EventKind  # noqa: E402

SHELVES = ("Boots", "Lamps", "Pens", "Teapots")
EACH, SHOPPERS, BOUGHT = 8, 40, 6
AWKWARD = ("it's", 'a "b"', "c,d", "{e}", "f\\g", "h/i", "100%s", "ø ü")
BROWSER = {"HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}

Product: Any = apps.get_model(settings.RECO_PRODUCT_MODEL)
Line: Any = apps.get_model(settings.KEYSHOP, "Line")
DATABASE = conf.settings.DATABASE
is_text = Product._meta.pk.name == "sku"


def stock_up() -> list[Any]:
    made = []
    for shelf in SHELVES:
        for number in range(EACH):
            key = {"sku": f"{shelf} {AWKWARD[number]}"} if is_text else {}
            name = f"{shelf} {number}"
            made.append(Product.objects.create(name=name, category=shelf, **key))
    return made


def sell(products: list[Any]) -> None:
    """Everyone buys from one shelf, a different one of its products left out each time."""
    lines = [
        Line(
            product=products[(shopper % len(SHELVES)) * EACH :][
                (shopper // len(SHELVES) + turn) % EACH
            ],
            order_number=shopper * BOUGHT + turn,
            customer=f"customer {shopper}",
            placed_at=timezone.now() - dt.timedelta(days=60 - turn * 10, minutes=shopper),
        )
        for shopper in range(SHOPPERS)
        for turn in range(BOUGHT)
    ]
    Line.objects.bulk_create(lines)


def command(*words: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def links(page: Any) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="([^"]+)"', page.content.decode())]


for alias in settings.DATABASES:
    call_command("migrate", database=alias, verbosity=0)
call_command("check", fail_level="WARNING")
products = stock_up()
sell(products)
(synced,) = command("reco_sync_items")
(imported,) = command("reco_backfill")
trained = {run["kind"]: run for run in command("reco_train")}
popular, personal = trained["popular"], trained["personal"]

client = Client(headers={"user-agent": BROWSER["HTTP_USER_AGENT"]})
client.get("/product/", {"key": products[0].pk})
client.get("/product/", {"key": products[2].pk})
home = client.get("/")
followed = client.get(links(home)[0])
seen = Interaction.objects.using(DATABASE).filter(kind=EventKind.VIEW_ITEM).first()
slate = recommend("similar", product=products[0], limit=4)
lists = recommend("popular", category="Lamps", limit=4)
keys = [product.pk for product in products]
viewer = Impression.objects.using(DATABASE).exclude(shopper=None).first().shopper
run = pointers.read(DATABASE, 1).personal
shown_before = Counter(
    Impression.objects.using(DATABASE)
    .filter(shopper=viewer)
    .exclude(product__in=Click.objects.using(DATABASE).values("product"))
    .values_list("product_id", flat=True)
)
read = [
    set(read_facts(keys, DATABASE)) == set(keys),
    set(backends.store(run.store).vectors_of(run.handle, keys)) == set(keys),
    shown(viewer, keys, DATABASE) == dict(shown_before) != {},
]

born = Product.objects.create(
    name="Boots new", category="Boots", **({"sku": "new: one"} if is_text else {})
)
(resynced,) = command("reco_sync_items")
near = recommend("similar", product=born, limit=4)
with override_settings(RECO_SHARD_ITEMS=7):
    jobs = {name: execute(name) for name in ("sync_items", "score")}
pointers.forget()
with CaptureQueriesContext(connections[DATABASE]) as asked:
    listed = recommend("similar", product=products[1], limit=4)
gone = slate.products[0]
gone.delete()
after = recommend("similar", product=products[0], limit=4)

sys.stdout.write(
    json.dumps(
        {
            "added": synced["added"],
            "purchases": imported["purchases"],
            "runs": [
                (run["kind"], run["status"], run["error"], run["store"])
                for run in (popular, personal)
            ],
            "home": len(links(home)),
            "rungs": sorted(set(Impression.objects.using(DATABASE).values_list("rung", flat=True))),
            "impressions": sum(
                product.pk in {row.product_id for row in Impression.objects.using(DATABASE).all()}
                for product in products
            ),
            "followed": [followed.status_code, followed["Location"]],
            "clicked": [
                Product.objects.get(pk=click.product_id).get_absolute_url()
                for click in Click.objects.using(DATABASE).all()
            ],
            "selected": Interaction.objects.using(DATABASE)
            .filter(kind=EventKind.SELECT_ITEM)
            .count(),
            "viewed": seen is not None and seen.product_id == products[0].pk,
            "similar": [slate.rung, len(slate), [product.category for product in slate.products]],
            "popular": [lists.rung, [product.category for product in lists.products]],
            "read": read,
            "vectors": resynced["vectors"],
            "near": [near.rung, [product.category for product in near.products]],
            "jobs": {
                name: [found.outcome, found.error, found.report.get("unchanged")]
                for name, found in jobs.items()
            },
            "lists": Neighbours.objects.using(DATABASE).count(),
            "listed": [
                len(listed),
                [product.category for product in listed.products],
                sum("reco_neighbours" in query["sql"] for query in asked),
            ],
            "gone": gone.name in {product.name for product in after.products},
            "full": len(after),
        }
    )
)
