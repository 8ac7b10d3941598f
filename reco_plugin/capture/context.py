"""The circumstances of a request. Nothing in here tells who is asking, and nothing is stored but the class of
the device, with each event.

No IP address is looked at: a region is what the shop's own hook says it is.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language

from reco_plugin import backends, conf
from reco_plugin.bounded import savepoint
from reco_plugin.capture.bots import LONGEST_AGENT
from reco_plugin.types import Context

logger = logging.getLogger(__name__)

SAID_BY_SHOP = ("device", "locale", "market", "region")
"""What the shop's hook (RECO_CONTEXT) may say."""
LONGEST = 200


def context_of(
    request: HttpRequest | None,
    *,
    category: str = "",
    query: str = "",
    now: dt.datetime | None = None,
) -> Context:
    """What is known of a request, whoever makes it; `category` and `query` are the page's own.

    Hour and weekday are in the current time zone. Never raises, but under RECO_DEBUG_RAISE.
    """
    moment = _local(now)
    found = Context(
        hour=moment.hour,
        weekday=moment.weekday(),
        locale=get_language() or "",
        category=str(category or "")[:LONGEST],
        query=str(query or "").strip()[:LONGEST],
    )
    if request is None:
        return found
    found = replace(found, device=device_of(request), referrer=referrer_of(request))
    return replace(found, **_said(request))


def device_of(request: HttpRequest) -> str:
    """'mobile', 'tablet', 'desktop', or '' for a client that does not say what it is."""
    agent = request.META.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT]
    return _device(agent, request.META.get("HTTP_SEC_CH_UA_MOBILE", ""))


def referrer_of(request: HttpRequest) -> str:
    """The host that linked here; '' for none, and for the shop itself."""
    try:
        host = urlsplit(request.META.get("HTTP_REFERER", "")).hostname or ""
        own = urlsplit(f"//{request.get_host()}").hostname
    except (ValueError, DisallowedHost):
        return ""
    return "" if host == own else host[:LONGEST]


@lru_cache(maxsize=1024)
def _device(agent: str, hint: str) -> str:
    """Tablets say 'not mobile' in the hint and leave 'Mobile' out of their name, as desktops do."""
    if "iPad" in agent or "Tablet" in agent or ("Android" in agent and "Mobile" not in agent):
        return "tablet"
    if hint == "?1" or "Mobi" in agent or "iPhone" in agent:
        return "mobile"
    return "desktop" if agent or hint == "?0" else ""


def _local(now: dt.datetime | None) -> dt.datetime:
    moment = now or timezone.now()
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def _said(request: HttpRequest) -> dict[str, Any]:
    """What the shop's hook says; one that raises says nothing, and leaves a transaction usable."""
    if not conf.settings.CONTEXT:
        return {}
    try:
        with savepoint(conf.settings.DATABASE):
            hook = backends.hook("RECO_CONTEXT", conf.settings.CONTEXT)
            said = hook(request) if hook else None
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("RECO_CONTEXT raised; the request is answered without it.")
        return {}
    return _texts(said) if isinstance(said, Mapping) else {}


def _texts(said: Mapping[Any, Any]) -> dict[str, Any]:
    known = {name: said.get(name) for name in SAID_BY_SHOP}
    return {name: str(value)[:LONGEST] for name, value in known.items() if value not in (None, "")}
