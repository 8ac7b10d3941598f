"""The values of RECO_* settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from django.core.checks import Error
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from reco_plugin import backends, conf
from reco_plugin.checks.registration import Messages, check
from reco_plugin.exceptions import RecoError
from reco_plugin.ranking.rankers import RANKERS
from reco_plugin.retrieval import SOURCES
from reco_plugin.retrieval.kinds import OWN, added
from reco_plugin.stores.choice import BUILT_IN
from reco_plugin.trainers import registry
from reco_plugin.types import EventKind, Rung

CHOICES = {
    "PURCHASE_DURABILITY": ("on_commit", "transactional"),
    "FORCE_RUNG": ("", *(rung.value for rung in Rung)),
    "RANKER": RANKERS,
}
ABOVE_ZERO = ("STATEMENT_TIMEOUT_MS", "WRITE_TIMEOUT_MS")
"""Where 0 is no limit to PostgreSQL, and no time at all to us."""
HOOKS = ("CART", "CONSENT", "CONTEXT", "SITE")
PARTS = ("name", "rung", "goes_by", "lookups", "candidates")
"""What a source must have."""


@check()
def unknown_settings(databases: Sequence[str]) -> Messages:
    """reco.W001"""
    for name, near in conf.unknown().items():
        hint = f"Did you mean {near}?" if near else "Remove it, or see the list of settings."
        yield Caution(f"{name} is not a setting of reco_plugin.", hint=hint, id="reco.W001")


@check()
def setting_values(databases: Sequence[str]) -> Messages:
    """reco.E006"""
    for setting in conf.documented():
        try:
            value = getattr(conf.settings, setting.name.removeprefix(conf.PREFIX))
        except ImproperlyConfigured as error:
            yield Error(str(error), hint=setting.doc, id="reco.E006")
            continue
        if problem := _bad_value(setting.name.removeprefix(conf.PREFIX), value):
            yield Error(f"{setting.name}: {problem}", hint=setting.doc, id="reco.E006")


def _bad_value(name: str, value: Any) -> str:
    if name in CHOICES and value not in CHOICES[name]:
        return f"{value!r} is not one of {', '.join(map(repr, CHOICES[name]))}."
    if name in _JUDGES:
        return _JUDGES[name](value)
    if isinstance(value, int | float) and value < 0:
        return f"{value!r} is below zero."
    if name in ABOVE_ZERO and not value:
        return "0 is not a time; name some milliseconds."
    return ""


def _bad_store(name: str) -> str:
    if name in BUILT_IN:
        return ""
    try:
        import_string(name)
    except ImportError as error:
        return f"{name!r} is neither {', '.join(map(repr, BUILT_IN))} nor can be imported: {error}."
    return ""


def _bad_weights(weights: dict[Any, Any]) -> str:
    for kind, weight in weights.items():
        try:
            EventKind.parse(kind)
            float(weight)
        except (ValueError, TypeError, AttributeError) as error:
            return f"{error}."
    return ""


def _bad_lifts(lifts: dict[Any, Any]) -> str:
    for circumstance, lifted in lifts.items():
        if not isinstance(lifted, Mapping):
            return f"{circumstance!r} needs factors by fact, such as {{'brand:Acme': 1.3}}."
        for fact, factor in lifted.items():
            if not (isinstance(factor, int | float) and 0 < factor < math.inf):
                return f"{factor!r} of {fact!r} under {circumstance!r} is no factor above zero."
    return ""


_JUDGES: Mapping[str, Callable[[Any], str]] = {
    "EVENT_WEIGHTS": _bad_weights,
    "LIFTS": _bad_lifts,
    "STORE": _bad_store,
}


@check()
def hooks(databases: Sequence[str]) -> Messages:
    """reco.E007"""
    for name in HOOKS:
        path = getattr(conf.settings, name)
        if not (path and isinstance(path, str)):
            continue
        try:
            backends.hook(conf.PREFIX + name, path)
        except ImproperlyConfigured as error:
            yield Error(str(error), hint="Name a callable by its dotted path.", id="reco.E007")


@check()
def sources(databases: Sequence[str]) -> Messages:
    """reco.E007"""
    for name, path in added().items():
        hint = "Name a class with lookups() and candidates() by its dotted path, under a name of its own."
        if name in OWN:
            yield Error(f"RECO_SOURCES: {name!r} comes with the app.", hint=hint, id="reco.E007")
            continue
        try:
            found = SOURCES[name]
        except (ImproperlyConfigured, AttributeError, TypeError) as error:
            yield Error(f"RECO_SOURCES: {name!r}: {error}", hint=hint, id="reco.E007")
            continue
        lacking = [part for part in PARTS if not hasattr(found, part)]
        if lacking:
            words = f"RECO_SOURCES: {path!r} has no {', '.join(lacking)}."
            yield Error(words, hint=hint, id="reco.E007")


@check()
def trainer(databases: Sequence[str]) -> Messages:
    """reco.E008, reco.W002"""
    name = conf.settings.TRAINER
    try:
        registry.get(name)(conf.settings.TRAINER_CONFIG)
    except (RecoError, ValueError, LookupError, ImportError, TypeError) as error:
        yield Error(
            f"RECO_TRAINER = {name!r} with RECO_TRAINER_CONFIG: {error}",
            hint="Name a built-in trainer ('lightfm') or a dotted path, with its own parameters.",
            id="reco.E008",
        )
    if name == "lightfm" and find_spec("lightfm") is None:
        yield Caution(
            "LightFM is not installed, so no personal recommendations can be trained.",
            hint="pip install 'django-reco-plugin[lightfm]'",
            id="reco.W002",
        )
