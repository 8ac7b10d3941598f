"""The one line of INSTALLED_APPS."""

from django.apps import AppConfig

from reco_plugin.contrib.extras import connect_or_explain
from reco_plugin.contrib.listening import connect


def _connect() -> None:
    from reco_plugin.contrib.opentelemetry import tracing

    connect(tracing.RECEIVERS)


class OpenTelemetryConfig(AppConfig):
    name = "reco_plugin.contrib.opentelemetry"
    label = "reco_opentelemetry"
    verbose_name = "Recommendations: OpenTelemetry"

    def ready(self) -> None:
        connect_or_explain(_connect, "opentelemetry", "opentelemetry", self.name)
