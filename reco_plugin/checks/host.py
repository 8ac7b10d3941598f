"""The project around us: middleware, urls, folders, the database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import Tags
from django.core.checks import Warning as Caution
from django.db import DatabaseError
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from reco_plugin import backends, conf
from reco_plugin.checks.registration import Messages, check
from reco_plugin.exceptions import RecoError

MIDDLEWARE = "reco_plugin.middleware.RecoMiddleware"
DJANGO_TEMPLATES = "django.template.backends.django.DjangoTemplates"
REQUEST = "django.template.context_processors.request"
NEEDED = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)


@check()
def middleware(databases: Sequence[str]) -> Messages:
    """reco.W003, reco.W004"""
    stack = list(django_settings.MIDDLEWARE)
    ours = next((at for at, path in enumerate(stack) if _is_ours(path)), None)
    if ours is None:
        yield Caution(
            "RecoMiddleware is not in MIDDLEWARE: guests are not recognised from page to page, and "
            "what is recorded is written before the response instead of after it.",
            hint=f"Add '{MIDDLEWARE}' after AuthenticationMiddleware.",
            id="reco.W003",
        )
        return
    for needed in NEEDED:
        if needed in stack[ours:]:
            yield Caution(
                f"RecoMiddleware stands before {needed.rsplit('.', 1)[1]} in MIDDLEWARE.",
                hint="Move it below: it needs to know the session and the user.",
                id="reco.W004",
            )


@check(Tags.urls)
def urls(databases: Sequence[str]) -> Messages:
    """reco.W007"""
    if not getattr(django_settings, "ROOT_URLCONF", ""):
        return
    try:
        reverse("reco:click", args=["token"])
    except NoReverseMatch:
        yield Caution(
            "reco_plugin.urls is not included: tiles lead to their products, but clicks are not "
            "counted.",
            hint="Add path('reco/', include('reco_plugin.urls')) to your urls.py.",
            id="reco.W007",
        )


def _is_ours(path: str) -> bool:
    if path == MIDDLEWARE:
        return True
    try:
        found, ours = import_string(path), import_string(MIDDLEWARE)
    except ImportError:
        return False
    return isinstance(found, type) and isinstance(ours, type) and issubclass(found, ours)


@check(Tags.security)
def artefact_folder(databases: Sequence[str]) -> Messages:
    """reco.W006"""
    folder = Path(conf.settings.ARTEFACT_DIR).resolve()
    for name in ("MEDIA_ROOT", "STATIC_ROOT"):
        root = getattr(django_settings, name, None)
        if root and folder.is_relative_to(Path(root).resolve()):
            yield Caution(
                f"RECO_ARTEFACT_DIR lies inside {name}, which is served to the web.",
                hint="Move it elsewhere: it holds what shoppers did.",
                id="reco.W006",
            )


@check(deploy=True)
def absolute_folder(databases: Sequence[str]) -> Messages:
    """reco.W017, only under `check --deploy`"""
    folder = Path(conf.settings.ARTEFACT_DIR)
    if not folder.is_absolute():
        yield Caution(
            f"RECO_ARTEFACT_DIR {str(folder)!r} is relative: processes started elsewhere mean another.",
            hint='Write RECO_ARTEFACT_DIR = BASE_DIR / ".reco".',
            id="reco.W017",
        )


@check(Tags.templates)
def templates(databases: Sequence[str]) -> Messages:
    """reco.W018"""
    engines = [one for one in django_settings.TEMPLATES if one.get("BACKEND") == DJANGO_TEMPLATES]
    options: list[Any] = [engine.get("OPTIONS") or {} for engine in engines]
    if engines and not any(REQUEST in one.get("context_processors", ()) for one in options):
        yield Caution(
            "No template engine has the request context processor, so {% recommend %} knows nobody.",
            hint=f"Add '{REQUEST}' to the context_processors in TEMPLATES.",
            id="reco.W018",
        )


@check(Tags.database)
def store(databases: Sequence[str]) -> Messages:
    """reco.W005, only under `check --database` and `migrate`"""
    if conf.settings.DATABASE not in databases:
        return
    try:
        found = backends.store()
        advice = getattr(found, "advice", tuple)  # the contract asks for none
        is_asked_apart = found.name == "pgvector"  # reco.W012
        problems = [*found.check(), *(() if is_asked_apart else advice())]
    except (RecoError, DatabaseError, LookupError) as error:
        problems = [str(error)]
    for problem in problems:
        yield Caution(
            f"Vector store: {problem}",
            hint="See RECO_STORE; 'numpy' works in any database.",
            id="reco.W005",
        )
