"""How the project is set up: the system checks."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.core import checks as django_checks
from django.db import DatabaseError

from reco_plugin import conf
from reco_plugin.doctor.finding import Finding, Level, ok


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


def product_is_installed() -> bool:
    """Without the product model none of our tables can be asked; reco.E001 says so."""
    try:
        apps.get_model(conf.settings.PRODUCT_MODEL)
    except (LookupError, ValueError):
        return False
    return True


def _run() -> list[django_checks.CheckMessage]:
    try:
        return django_checks.run_checks(tags=["reco"], databases=[conf.settings.DATABASE])
    except DatabaseError:
        return django_checks.run_checks(tags=["reco"], databases=[])


def _level(level: int) -> Level:
    if level >= django_checks.ERROR:
        return "error"
    return "warning" if level >= django_checks.WARNING else "note"
