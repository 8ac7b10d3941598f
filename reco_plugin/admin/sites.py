"""Which shop the operator looks at: one at a time, `?site=` or the one the request belongs to."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from reco_plugin import backends, conf
from reco_plugin.models import Job, Run

PARAMETER = "site"
LARGEST = 2**31 - 1


def known() -> list[int]:
    """Sites that anything was ever done for. One statement over two small tables."""
    database = conf.settings.DATABASE
    runs = Run.objects.using(database).order_by().values_list("site", flat=True)
    jobs = Job.objects.using(database).order_by().values_list("site", flat=True)
    return sorted(set(runs.union(jobs)))


def chosen(request: HttpRequest) -> int:
    """What `?site=` asks for; without it, or with nonsense, the site of the request."""
    text = request.GET.get(PARAMETER, "")
    if len(text) <= 10 and text.isascii() and text.isdecimal() and 0 < int(text) <= LARGEST:
        return int(text)
    return backends.site(request)


def query(request: HttpRequest) -> str:
    """What links must end in to stay with the site: '' or '?site=2'."""
    site = chosen(request)
    return "" if site == backends.site(request) else f"?{PARAMETER}={site}"


class SiteFilter(admin.SimpleListFilter):
    """One site or another, never all: every index of ours begins with the site.

    Shown where there are two; `SiteChangeList` does the filtering also where there is one.
    """

    title = _("shop")
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        self.site = chosen(request)
        sites = known()
        return [(str(site), str(site)) for site in sites] if len(sites) > 1 else []

    def choices(self, changelist: ChangeList) -> Any:
        for value, title in self.lookup_choices:
            yield {
                "selected": str(self.site) == str(value),
                "query_string": changelist.get_query_string({PARAMETER: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class SiteChangeList(ChangeList):
    """A list of one site's rows, without the columns its admin defers."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        rows = super().get_queryset(request, *args, **kwargs).filter(site=chosen(request))
        return rows.defer(*getattr(self.model_admin, "list_deferred", ()))
