"""Two pages: a home that recommends, and a product page that says it was viewed."""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template import engines
from django.urls import include, path

from reco_plugin.signals import product_viewed

HOME = '{% load reco %}{% recommend "personal" limit=4 %}'
PRODUCT = (
    '{% load reco %}<h1>{{ product.name }}</h1>{% recommend "similar" product=product limit=4 %}'
)


def _page(source: str, request: HttpRequest, **context: object) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(source).render(context, request))


def home(request: HttpRequest) -> HttpResponse:
    return _page(HOME, request)


def product(request: HttpRequest) -> HttpResponse:
    model = apps.get_model(settings.RECO_PRODUCT_MODEL)
    found = get_object_or_404(model, pk=request.GET["key"])
    product_viewed.send(sender=model, request=request, product=found)
    return _page(PRODUCT, request, product=found)


urlpatterns = [
    path("", home),
    path("product/", product),
    path("reco/", include("reco_plugin.urls")),
]
