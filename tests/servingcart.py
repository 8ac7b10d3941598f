"""Hooks the tests of serving name in settings."""

from __future__ import annotations

from testapp.reco import TestCatalog


def keys(request):
    return getattr(request, "cart", ())


class PythonGroups(TestCatalog):
    """A catalogue that works variants out in Python."""

    __test__ = False

    def get_group(self, product):
        return product.canonical_id


class NoGroups(TestCatalog):
    """A shop without variants."""

    __test__ = False
    group = ""


urlpatterns: list[object] = []
