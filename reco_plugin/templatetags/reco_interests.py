"""`{% load reco_interests %}`: a form in which shoppers say what they like. It never raises."""

from __future__ import annotations

import logging
from typing import Any

from django import template
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext

from reco_plugin import conf
from reco_plugin.bounded import savepoint
from reco_plugin.serving import picker

logger = logging.getLogger(__name__)
register = template.Library()

TEMPLATE = "reco/interests.html"


@register.simple_tag(takes_context=True)
def reco_interests(
    context: template.Context,
    limit: int = 12,
    title: str = "",
    template: str = TEMPLATE,
    pictures: bool = False,
) -> str:
    """A form of brands and categories to tick, which works without JavaScript.

        {% reco_interests %}
        {% reco_interests limit=20 title="What do you like?" template="shop/picker.html" %}
        {% reco_interests pictures=True %}   with the picture of a product that sells there

    Renders nothing where the shopper may not be recognised, in e-mails, for robots, without
    `reco_plugin.urls`, and where there is nothing to choose from.
    """
    request = context.get("request")
    if request is None or not conf.settings.ENABLED:
        return ""
    try:
        with savepoint(conf.settings.DATABASE):
            found = picker.options(request, limit, pictures=pictures)
        return _rendered(request, found, title, template) if found and any(found.values()) else ""
    except NoReverseMatch:
        logger.debug("reco_plugin.urls is not included: nobody can say what they like")
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("{% reco_interests %} failed")
    return ""


def _rendered(
    request: Any, found: dict[str, list[picker.Option]], title: str, template_name: str
) -> str:
    names = {"category": gettext("Categories"), "brand": gettext("Brands")}
    facets = [
        {"name": facet, "legend": names[facet], "options": options}
        for facet, options in found.items()
        if options
    ]
    values = {
        "action": reverse("reco:interests"),
        "csrf_token": get_token(request),
        "next": request.get_full_path(),
        "title": title or gettext("What do you like?"),
        "facets": facets,
        "has_chosen": any(option.is_chosen for each in found.values() for option in each),
    }
    return render_to_string(template_name, values)
