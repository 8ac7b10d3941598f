"""Hooks the tests of serving name in settings."""

from __future__ import annotations

from django.db import connection
from testapp.reco import TestCatalog


def keys(request):
    return getattr(request, "cart", ())


def raises(request):
    raise RuntimeError("the cart service is down")


def fails(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column")


class PythonGroups(TestCatalog):
    """A catalogue that works variants out in Python."""

    __test__ = False

    def get_group(self, product):
        return product.canonical_id


class NoGroups(TestCatalog):
    """A shop without variants."""

    __test__ = False
    group = ""
    _GUESSES = {**TestCatalog._GUESSES, "group": ()}


class RepeatingRows(NoGroups):
    """Joins stock without distinct(), so a product comes once for each of its warehouses."""

    def eligible(self, queryset, request):
        return queryset.filter(hidden=False, stockrecords__count__gt=0)


urlpatterns: list[object] = []
