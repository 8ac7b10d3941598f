"""Look at the shop's models and write a first catalogue, order mapping and settings."""

from __future__ import annotations

import difflib
import json
from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.management.base import BaseCommand, CommandError

from reco_plugin.catalog import scaffold
from reco_plugin.catalog.scaffold import Draft, Guess, project

MARKS = {"sure": "sure  ", "likely": "likely", "unsure": "LOOK  "}


class Command(BaseCommand):
    help = (
        "Looks at your product, order, stock and image models and shows a first Catalog, OrderMapping and "
        "settings, with what was guessed and how sure that is. Writes nothing but with --write, and never "
        "over a file. Where reco_plugin is not set up yet: python -m reco_plugin init shop.Product. Exit "
        "codes: 0 done, 1 not possible (the message says why)."
    )
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "product", nargs="?", default="", help="your product model, e.g. shop.Product"
        )
        parser.add_argument("--write", action="store_true", help="write the file")
        parser.add_argument("--app", default="", help="app whose reco.py to write (the product's)")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        label = options["product"] or getattr(django_settings, "RECO_PRODUCT_MODEL", "")
        draft = self._draft(label, options["app"])
        written = options["write"] and self._write(draft)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(draft, written)))
        else:
            self._show(draft, written)

    def _draft(self, label: str, app_label: str) -> Draft:
        try:
            return scaffold.draft(apps.get_model(label), app_label)
        except (LookupError, ValueError) as error:
            raise CommandError(f"{_no_model(label) or error}") from error

    def _write(self, draft: Draft) -> bool:
        path = draft.place.path
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(draft.source)
        except FileExistsError as error:
            raise CommandError(
                f"{path} is there already and is left as it is. Run this without --write and copy what you "
                "need, move the file away, or name another app: --app APP."
            ) from error
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error}. Try --app APP.") from error
        return True

    # --- for people ---------------------------------------------------------------------------

    def _show(self, draft: Draft, written: bool) -> None:
        title = self.style.MIGRATE_HEADING
        self.stdout.write(title(f"What was found around {draft.product}"))
        for guess in draft.guesses:
            self._guess(guess)
        for note in draft.notes:
            self.stdout.write(self.style.WARNING(f"  {note}"))
        verb = "Written" if written else "Would write (with --write)"
        self.stdout.write(title(f"\n{verb}: {draft.place.path}"))
        if not written:
            self.stdout.write(draft.source)
        there = "# nothing: it is all there"
        self.stdout.write(title("\nAt the end of your settings"))
        self.stdout.write("\n".join(draft.settings) or there)
        self.stdout.write(title("\nAt the end of your urls.py"))
        self.stdout.write(there if project.has_urls() else project.URLS.rstrip("\n"))
        self.stdout.write(title("\nIn your templates"))
        self.stdout.write(project.TEMPLATES.rstrip("\n"))
        self.stdout.write(title("\nThen"))
        if any(guess.sure == "unsure" for guess in draft.guesses):
            self.stdout.write("# first look at what is marked LOOK, and mend the file")
        self.stdout.write("python manage.py migrate && python manage.py reco_backfill")
        self.stdout.write(
            "python manage.py reco_doctor   # what is still missing, and the next step"
        )

    def _guess(self, guess: Guess) -> None:
        paint = {
            "sure": self.style.SUCCESS,
            "likely": self.style.HTTP_INFO,
            "unsure": self.style.WARNING,
        }[guess.sure]
        told = guess.found or "nothing"
        why = f" ({guess.why})" if guess.why else ""
        others = f"; or: {', '.join(guess.alternatives)}" if guess.alternatives else ""
        self.stdout.write(f"  {paint(MARKS[guess.sure])} {guess.subject} = {told}{why}{others}")


def _as_json(draft: Draft, written: bool) -> dict[str, Any]:
    return {
        "product": draft.product,
        "path": str(draft.place.path),
        "written": written,
        "source": draft.source,
        "settings": list(draft.settings),
        "guesses": [guess.as_json() for guess in draft.guesses],
        "notes": list(draft.notes),
    }


def _no_model(label: str) -> str:
    """What to write instead of a label that names no model; '' when it does name one."""
    models = [model for model in apps.get_models() if model._meta.app_label != "reco"]
    labels = [model._meta.label for model in models]
    if label.lower() in [known.lower() for known in labels]:
        return ""
    likely = scaffold.products(models)
    if not label:
        meant = ", ".join(likely) or "e.g. shop.Product"
        return f"Name your product model: {meant}"
    name = label.rpartition(".")[2].lower()
    by_name = [known for known in labels if known.rpartition(".")[2].lower() == name]
    in_app = [known for known in likely if known.partition(".")[0] == label.partition(".")[0]]
    spelt = difflib.get_close_matches(label, labels, n=1, cutoff=0.75)
    near = by_name or spelt or in_app or likely[:1]
    meant = f" Did you mean {near[0]}?" if near else " Is its app in INSTALLED_APPS?"
    return f"There is no model {label!r}.{meant}"
