from __future__ import annotations

from django.urls import URLPattern

app_name = "reco"
urlpatterns: list[URLPattern] = []
