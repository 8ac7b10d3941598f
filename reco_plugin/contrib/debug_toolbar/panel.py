"""The panel; the only module that imports debug_toolbar."""

from __future__ import annotations

from typing import Any

from debug_toolbar.panels import Panel
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from reco_plugin.contrib.debug_toolbar.watching import RECEIVERS, Watch, events_of
from reco_plugin.contrib.listening import connect


class RecommendationsPanel(Panel):
    """The slates of this request, why each product is in them, and what was recorded or dropped."""

    title = _("Recommendations")
    template = "reco/debug_toolbar.html"
    is_async = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watch = Watch()

    @property
    def nav_subtitle(self) -> str:
        found = self.get_stats()  # type: ignore[no-untyped-call]
        count = len(found.get("slates", ()))
        words = ngettext("%(count)d slate in %(ms)s ms", "%(count)d slates in %(ms)s ms", count)
        return words % {"count": count, "ms": found.get("milliseconds", 0)}

    def enable_instrumentation(self) -> None:
        connect(RECEIVERS)
        self._watch.begin()

    def disable_instrumentation(self) -> None:
        self._watch.end()

    def generate_stats(self, request: HttpRequest, response: HttpResponseBase) -> None:
        found = {**self._watch.watched.as_json(), "events": events_of(request)}
        self.record_stats(found)  # type: ignore[no-untyped-call]

    def generate_server_timing(self, request: HttpRequest, response: HttpResponseBase) -> None:
        spent = self._watch.watched.milliseconds
        self.record_server_timing(  # type: ignore[no-untyped-call]
            "slates", "Recommendations", round(spent, 2)
        )
