"""Is this a person? By user agent, and by what browsers say of prefetching."""

from __future__ import annotations

from functools import lru_cache

from crawleruseragents import is_crawler
from django.http import HttpRequest

LONGEST_AGENT = 512
_SPECULATIVE = ("prefetch", "prerender", "preview")
_PURPOSE_HEADERS = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")


def is_bot(request: HttpRequest) -> bool:
    """True for known crawlers and for clients that do not say what they are."""
    return _is_bot(request.META.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT])


def is_speculative(request: HttpRequest) -> bool:
    """True when the browser fetches ahead (prefetch, prerender, preview): nobody looks yet."""
    said = " ".join(filter(None, map(request.META.get, _PURPOSE_HEADERS))).lower()
    return bool(said) and any(word in said for word in _SPECULATIVE)


@lru_cache(maxsize=4096)
def _is_bot(agent: str) -> bool:
    return not agent.strip() or bool(is_crawler(agent))
