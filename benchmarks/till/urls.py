"""The shop's own pages, and ours where the app is installed."""

from __future__ import annotations

from django.apps import apps
from django.urls import include, path

urlpatterns = [path("", include("example_shop.shop.urls"))]
if apps.is_installed("reco_plugin"):
    urlpatterns.append(path("reco/", include("reco_plugin.urls")))
