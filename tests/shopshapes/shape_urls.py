from django.apps import apps
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [path("product/<pk>/", HttpResponse, name="product")]
if apps.is_installed("reco_plugin"):
    urlpatterns += [path("reco/", include("reco_plugin.urls"))]
