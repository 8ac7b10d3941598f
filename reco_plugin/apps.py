"""The app: a table of contents, no logic."""

import sys

from django.apps import AppConfig
from django.conf import settings as django_settings

from reco_plugin import conf


class RecoConfig(AppConfig):
    name = "reco_plugin"
    label = "reco"
    verbose_name = "Recommendations"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        _lend_product_model(sys.argv[1:])
        conf.product_model()
        super().import_models()

    def ready(self) -> None:
        from reco_plugin import checks, logs, receivers  # noqa: F401

        logs.be_discreet()


def _lend_product_model(words: list[str]) -> None:
    """`manage.py reco_init shop.Product` runs before RECO_PRODUCT_MODEL is set: it may name it itself."""
    named = next((word for word in words[1:] if word.count(".") == 1 and word[0] != "-"), "")
    if words[:1] == ["reco_init"] and named and not conf.settings.PRODUCT_MODEL:
        django_settings.RECO_PRODUCT_MODEL = conf.Lent(named)
