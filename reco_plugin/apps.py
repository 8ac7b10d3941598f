"""The app: a table of contents, no logic."""

from django.apps import AppConfig

from reco_plugin import conf


class RecoConfig(AppConfig):
    name = "reco_plugin"
    label = "reco"
    verbose_name = "Recommendations"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        conf.product_model()
        super().import_models()

    def ready(self) -> None:
        from reco_plugin import checks, receivers  # noqa: F401
