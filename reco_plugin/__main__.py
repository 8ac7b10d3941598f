"""`python -m reco_plugin init shop.Product`, beside manage.py: works before anything is set up."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from django.conf import settings as django_settings

from reco_plugin import conf

USAGE = (
    "python -m reco_plugin init [app.Product] [--write] [--app APP] [--json] [--settings project.settings]\n"
    "Run it in the folder of your manage.py. It changes nothing without --write."
)
VARIABLE = "DJANGO_SETTINGS_MODULE"


def main(arguments: list[str] | None = None) -> int:
    """Look at the project of this folder; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] != ["init"] or {"-h", "--help"} & set(words):
        is_asked = bool({"-h", "--help"} & set(words))
        (sys.stdout if is_asked else sys.stderr).write(USAGE + "\n")
        return 0 if is_asked else 2
    if problem := _find_settings(words):
        sys.stderr.write(problem + "\n")
        return 1
    sys.path.insert(0, os.getcwd())
    _lend_product_model(_without_settings(words[1:]))

    import django

    django.setup()
    from reco_plugin.management.commands.reco_init import Command

    Command().run_from_argv([f"{sys.executable} -m reco_plugin", "reco_init", *words[1:]])
    return 0


def _find_settings(words: list[str]) -> str:
    """Set the variable from --settings, the environment or manage.py; says what is missing, or ''."""
    for at, word in enumerate(words):
        if word.startswith("--settings"):
            _, _, value = word.partition("=")
            os.environ[VARIABLE] = value or next(iter(words[at + 1 :]), "")
    if os.environ.get(VARIABLE):
        return ""
    manage = Path("manage.py")
    said = re.search(
        rf"{VARIABLE}['\"],\s*['\"]([\w.]+)['\"]", manage.read_text() if manage.is_file() else ""
    )
    if said is None:
        return f"Which project? Run this beside its manage.py, or give --settings.\n{USAGE}"
    os.environ[VARIABLE] = said[1]
    return ""


def _without_settings(words: list[str]) -> list[str]:
    """`--settings project.settings` names no model."""
    at = words.index("--settings") if "--settings" in words else len(words)
    return [*words[:at], *words[at + 2 :]]


def _lend_product_model(words: list[str]) -> None:
    """Our own models cannot load without a product model: the one that is asked about, or none of them."""
    if getattr(django_settings, "RECO_PRODUCT_MODEL", ""):
        return
    named = next((word for word in words if word.count(".") == 1 and word[0] != "-"), "")
    if named:
        django_settings.RECO_PRODUCT_MODEL = conf.Lent(named)
    else:
        django_settings.INSTALLED_APPS = [
            entry
            for entry in django_settings.INSTALLED_APPS
            if entry.partition(".")[0] != "reco_plugin"
        ]


if __name__ == "__main__":
    sys.exit(main())
