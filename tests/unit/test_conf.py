from __future__ import annotations

import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from reco_plugin import conf


def test_a_setting_is_read_live(settings):
    settings.RECO_LIMIT = 3
    assert conf.settings.LIMIT == 3
    settings.RECO_LIMIT = 4
    assert conf.settings.LIMIT == 4


def test_a_setting_that_nobody_overrides_is_read_live_too(monkeypatch):
    assert conf.settings.LIMIT == 8
    monkeypatch.setattr(django_settings, "RECO_LIMIT", 5, raising=False)
    assert conf.settings.LIMIT == 5
    monkeypatch.undo()
    assert conf.settings.LIMIT == 8


@pytest.mark.parametrize(
    ("name", "value"), [("LIMIT", "8"), ("ENABLED", 1), ("LIMIT", True), ("EVENT_WEIGHTS", [])]
)
def test_a_setting_of_the_wrong_type_says_so(settings, name, value):
    setattr(settings, f"RECO_{name}", value)
    with pytest.raises(ImproperlyConfigured, match=f"RECO_{name} must be"):
        getattr(conf.settings, name)


def test_an_integer_is_a_float(settings):
    settings.RECO_HALF_LIFE_DAYS = 30
    assert conf.settings.HALF_LIFE_DAYS == 30


def test_every_setting_is_documented_and_its_default_fits():
    for setting in conf.documented():
        assert setting.doc.endswith((".", "?")), setting.name
        assert setting._accepts(setting.default), setting.name


def test_unknown_settings_get_a_suggestion(settings):
    settings.RECO_LIMITS = 3
    assert conf.unknown() == {"RECO_LIMITS": "RECO_LIMIT"}


@pytest.mark.parametrize("label", ["", "Product", "shop.catalogue.Product"])
def test_a_missing_or_misspelt_product_model_says_what_to_set(settings, label):
    settings.RECO_PRODUCT_MODEL = label
    with pytest.raises(ImproperlyConfigured, match="Set RECO_PRODUCT_MODEL"):
        conf.product_model()


def test_a_shop_without_the_setting_is_told_at_start():
    script = (
        "import django; from django.conf import settings;"
        "settings.configure(INSTALLED_APPS=['django.contrib.contenttypes','django.contrib.auth','reco_plugin']);"
        "django.setup()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ImproperlyConfigured: Set RECO_PRODUCT_MODEL" in done.stderr
