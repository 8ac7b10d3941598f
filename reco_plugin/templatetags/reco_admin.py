"""The overview on the index page of our app, which stock admin renders without asking us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.sites import all_sites
from django.http import HttpRequest
from django.template import Context

from reco_plugin.models import Run

register = template.Library()


@register.simple_tag(takes_context=True)
def reco_overview(context: Context) -> Mapping[str, Any]:
    """What the admin class of runs has to tell; nothing where the site has none of ours."""
    request = context.get("request")
    if not isinstance(request, HttpRequest):
        return {}
    name = getattr(request, "current_app", "") or "admin"
    site = next((site for site in all_sites if site.name == name), None)
    try:
        own = site.get_model_admin(Run) if site else None
    except NotRegistered:
        return {}
    told = getattr(own, "overview", None)
    return told(request) if told else {}
