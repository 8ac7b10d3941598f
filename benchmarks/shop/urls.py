from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def product(request: HttpRequest, key: str) -> HttpResponse:
    return HttpResponse(key)


urlpatterns = [
    path("reco/", include("reco_plugin.urls")),
    path("p/<str:key>/", product, name="product"),
]
