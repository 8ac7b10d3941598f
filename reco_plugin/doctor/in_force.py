"""The settings as they are in force."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import SafeExceptionReporterFilter

from reco_plugin import conf


def settings_in_force() -> list[tuple[conf.Setting[Any], Any, bool]]:
    """(setting, value, is it the default) of every RECO_* setting, in the order of the reference.

    A value of the wrong type is told as it is; what looks like a secret is starred out.
    """
    return [(setting, *_value(setting)) for setting in conf.documented()]


def _value(setting: conf.Setting[Any]) -> tuple[Any, bool]:
    try:
        value = getattr(conf.settings, setting.name.removeprefix(conf.PREFIX))
    except ImproperlyConfigured:
        value = getattr(django_settings, setting.name)
    return (
        SafeExceptionReporterFilter().cleanse_setting(setting.name, value),
        bool(value == setting.default),
    )
