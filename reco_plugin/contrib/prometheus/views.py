"""`path("metrics/", metrics)`. Numbers of your shop: let only your own network ask."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from reco_plugin.contrib.prometheus.metrics import CONTENT_TYPE_LATEST, exposition


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Every metric of prometheus_client's registry in the text format, ours among them."""
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
