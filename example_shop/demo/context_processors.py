"""What the demo adds to the shop's pages: how to log in, and which figures are invented."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest

from example_shop.demo.models import LoadStep


def demo(request: HttpRequest) -> dict[str, Any]:
    return {"demo": details()} if details() else {}


def details() -> dict[str, Any]:
    """The `logins` and `notice` of the data set that is loaded; empty before it is."""
    found = _details()
    if not found:
        _details.cache_clear()
    return found


@cache
def _details() -> dict[str, Any]:
    step = LoadStep.objects.filter(name="history").first()
    return dict(step.details.get("page", {})) if step else {}
