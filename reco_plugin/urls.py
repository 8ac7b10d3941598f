from __future__ import annotations

from django.urls import URLPattern, path

from reco_plugin import views

app_name = "reco"
urlpatterns: list[URLPattern] = [
    path("c/<str:token>/", views.click, name="click"),
    path("interests/", views.interests, name="interests"),
    path("photo/", views.photo, name="photo"),
]
