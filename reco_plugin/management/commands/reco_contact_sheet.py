"""See with your own eyes what looks like what."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends, conf
from reco_plugin.exceptions import RecoError
from reco_plugin.management import contact_sheet, looking
from reco_plugin.models import Item, Run


def _some(text: str) -> int:
    """From 1 to 100."""
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to 100.")
    return int(text)


class Command(BaseCommand):
    help = (
        "Writes a contact sheet: each row a product and what the live run finds most like its picture, as one "
        "SVG file that any browser opens. Nothing is left out for being sold out or hidden. "
        "Exit codes: 0 written, 1 failed or no run that knows pictures is live."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the SVG file to write")
        parser.add_argument("--products", type=_some, default=10, metavar="N",
                            help="so many products, drawn by lot from many categories (default: 10)")  # fmt: skip
        parser.add_argument("--product", action="append", default=[], metavar="KEY",
                            help="this product instead; may be given several times")  # fmt: skip
        parser.add_argument("--photo", action="append", type=Path, default=[], metavar="FILE",
                            help="a photo instead, as a shopper would upload it; several times too")  # fmt: skip
        parser.add_argument(
            "--top", type=_some, default=8, help="products beside each (default: 8)"
        )
        parser.add_argument("--run", type=int, help="a published run (default: the live one)")
        parser.add_argument("--seed", type=int, default=0, help="of the lot (default: 0)")
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        try:
            run = looking.visual_run(site, options["run"])
            queries = self._queries(run, options)
            rows = looking.rows(queries, site)
            title = f"What looks alike, by run {run.pk}"
            with options["file"].open("w", encoding="utf-8") as file:
                file.writelines(contact_sheet.drawn(title, _words(run, queries), rows))
        except (RecoError, DatabaseError, OSError) as error:
            raise CommandError(f"Not written: {error}") from error
        self.stdout.write(f"{options['file']}: {len(rows)} rows. {_words(run, queries)}")

    def _queries(self, run: Run, options: dict[str, Any]) -> list[looking.Query]:
        keys = [_key(text, run.site) for text in options["product"]]
        photos = {path.name: path.read_bytes() for path in options["photo"]}
        if not photos and not keys:
            keys = looking.spread(run, options["products"], options["seed"])
        found = looking.like_photos(run, photos, options["top"]) if photos else []
        return [*found, *looking.like_products(run, keys, options["top"])]


def _key(text: str, site: int) -> Any:
    """Of a product we know. Raises CommandError."""
    field = apps.get_model(conf.product_model())._meta.pk
    items = Item.objects.using(conf.settings.DATABASE)
    try:
        key = field.to_python(text)
        known = items.filter(pk=key, site=site).exists()
    except (ValidationError, ValueError, OverflowError):
        known = False
    if not known:
        raise CommandError(f"There is no product {text!r} at site {site}.")
    return key


def _words(run: Run, queries: list[looking.Query]) -> str:
    same, of = looking.agreement(queries)
    made = run.created_at.date().isoformat()
    if not of:
        return f"{run.trainer}, {made}."
    return f"{run.trainer}, {made}. {same} of {of} share the category of what they stand beside."
