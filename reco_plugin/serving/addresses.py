"""Addresses that work outside the shop's own pages: in an e-mail, in a feed."""

from __future__ import annotations

import logging
from urllib.parse import urljoin, urlsplit

from django.apps import apps

from reco_plugin import conf

logger = logging.getLogger(__name__)


def absolute(url: str) -> str:
    """`url` with scheme and host: those of RECO_BASE_URL, else of the current django.contrib.sites.

    An address that has a host keeps it; an empty one, or one for which no host is known, is given
    back as it came. Never raises.
    """
    if not url or urlsplit(url).netloc:
        return url
    base = conf.settings.BASE_URL or _of_site()
    return urljoin(f"{base.rstrip('/')}/", url) if base else url


def _of_site() -> str:
    if not apps.is_installed("django.contrib.sites"):
        return ""
    try:
        from django.contrib.sites.models import Site

        return f"https://{Site.objects.get_current().domain}"
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("The current site is not known; set RECO_BASE_URL.")
        return ""
