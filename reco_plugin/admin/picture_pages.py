"""Pages beside the list of pictures: the map of the catalogue, and what is there twice."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from reco_plugin.admin import catalogue_map, duplicates
from reco_plugin.admin.pages import ReadOnlyAdmin


class PicturePages(ReadOnlyAdmin):
    """For the admin of pictures."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("map/", view(self.map_view), name="reco_picture_map"),
            path("duplicates/", view(self.duplicates_view), name="reco_picture_duplicates"),
        ]
        return [*own, *super().get_urls()]

    def map_view(self, request: HttpRequest) -> HttpResponseBase:
        return catalogue_map.view(self, request)

    def duplicates_view(self, request: HttpRequest) -> HttpResponseBase:
        return duplicates.view(self, request)
