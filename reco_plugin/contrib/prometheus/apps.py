"""The one line of INSTALLED_APPS."""

from django.apps import AppConfig

from reco_plugin.contrib.extras import connect_or_explain
from reco_plugin.contrib.listening import connect


def _connect() -> None:
    from reco_plugin.contrib.prometheus import receivers

    connect(receivers.RECEIVERS)


class PrometheusConfig(AppConfig):
    name = "reco_plugin.contrib.prometheus"
    label = "reco_prometheus"
    verbose_name = "Recommendations: Prometheus"

    def ready(self) -> None:
        connect_or_explain(_connect, "prometheus_client", "prometheus", self.name)
