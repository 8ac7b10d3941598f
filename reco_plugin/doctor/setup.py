"""How the project is set up: the system checks, and what they cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core import checks as django_checks
from django.db import DatabaseError

from reco_plugin import conf
from reco_plugin.doctor.finding import Finding, Level, ok, warning

REQUEST = "django.template.context_processors.request"


def checks(site: int) -> Iterator[Finding]:
    """Every system check of ours, those that ask the database too."""
    complaints = [found for found in _run() if not found.is_silenced()]
    for found in complaints:
        yield Finding(
            name=f"setup.{found.id}",
            level=_level(found.level),
            words=str(found.msg),
            hint=str(found.hint or ""),
            docs="reference/checks",
        )
    if not complaints:
        yield ok("setup.checks", "No system check complains.")


def _run() -> list[django_checks.CheckMessage]:
    try:
        return django_checks.run_checks(tags=["reco"], databases=[conf.settings.DATABASE])
    except DatabaseError:
        return django_checks.run_checks(tags=["reco"], databases=[])


def _level(level: int) -> Level:
    if level >= django_checks.ERROR:
        return "error"
    return "warning" if level >= django_checks.WARNING else "note"


def templates(site: int) -> Iterator[Finding]:
    """The tag recognises the shopper by the request in its context."""
    engines = [
        engine
        for engine in django_settings.TEMPLATES
        if engine.get("BACKEND") == "django.template.backends.django.DjangoTemplates"
    ]
    options: list[Any] = [engine.get("OPTIONS", {}) for engine in engines]
    if engines and not any(REQUEST in found.get("context_processors", ()) for found in options):
        yield warning(
            "setup.templates",
            "No template engine has the request context processor, so {% recommend %} knows nobody.",
            f"Add '{REQUEST}' to the context_processors in TEMPLATES.",
        )
