"""URLs of a shop whose only admin is one of its own."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.urls import include, path

from reco_plugin.admin import register

back_office = AdminSite(name="back_office")
register(back_office)

urlpatterns = [
    path("back-office/", back_office.urls),
    path("reco/", include("reco_plugin.urls")),
]
