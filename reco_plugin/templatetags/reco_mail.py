"""`{% load reco_mail %}`: what the templates of e-mails need besides `{% load reco %}`."""

from __future__ import annotations

from django import template

from reco_plugin.serving.addresses import absolute

register = template.Library()


@register.filter(name="absolute")
def absolute_address(url: object) -> str:
    """`{{ tile.href|absolute }}`: with the host of RECO_BASE_URL, or of the current site."""
    return absolute(str(url or ""))
