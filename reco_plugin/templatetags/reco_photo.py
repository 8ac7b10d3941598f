"""`{% load reco_photo %}`: a form that searches by photo. It never raises."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django import template
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext

from reco_plugin import conf

logger = logging.getLogger(__name__)
register = template.Library()

TEMPLATE = "reco/photo.html"


@register.simple_tag(takes_context=True)
def reco_photo(
    context: template.Context,
    title: str = "",
    category: str = "",
    action: str = "",
    template: str = TEMPLATE,
) -> str:
    """A form with a photo to choose, which works without JavaScript.

        {% reco_photo %}
        {% reco_photo title="Seen something you like?" category="Women > Shoes" %}
        {% reco_photo action=search_url %}   an address of your own, which calls `search_by_photo`

    Renders nothing while RECO_PHOTO_SEARCH is off, in e-mails, and without `reco_plugin.urls`.
    """
    request = context.get("request")
    if request is None or not (conf.settings.ENABLED and conf.settings.PHOTO_SEARCH):
        return ""
    try:
        values = {
            "action": action or reverse("reco:photo"),
            "csrf_token": get_token(request),
            "title": title or gettext("Search by photo"),
            "category": category,
            "accepts": ",".join(_types()),
            "most_bytes": conf.settings.PHOTO_MAX_BYTES,
        }
        return render_to_string(template, values)
    except NoReverseMatch:
        logger.debug("reco_plugin.urls is not included: nobody can search by photo")
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("{% reco_photo %} failed")
    return ""


def _types() -> Iterator[str]:
    """What a browser offers to choose from."""
    return (f"image/{name.lower()}" for name in conf.settings.IMAGE_FORMATS)
