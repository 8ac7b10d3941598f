"""May this request be recorded?"""

from __future__ import annotations

import logging

from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest

from reco_plugin import backends, conf
from reco_plugin.bounded import savepoint
from reco_plugin.capture.bots import is_bot, is_speculative
from reco_plugin.capture.lifecycle import state_of

logger = logging.getLogger(__name__)


def is_recordable(request: HttpRequest) -> bool:
    """True when what happens in this request is a person's doing that we may keep.

    Never raises, but under RECO_DEBUG_RAISE: where it cannot be told who is asking (the session store
    is down), nothing is recorded.
    """
    try:
        return not refusal(request)
    except Exception:
        logger.exception("Nothing is recorded: who is asking could not be told.")
        if conf.settings.DEBUG_RAISE:
            raise
        return False


def refusal(request: HttpRequest) -> str:
    """Why this request must not be recorded, in one word; '' when it may be. May load the user."""
    return refusal_before_user(request) or ("staff" if _is_left_out_staff(request) else "")


def refusal_before_user(request: HttpRequest) -> str:
    """As `refusal`, as far as can be told without knowing the user: no SQL but the consent hook's."""
    if not conf.settings.ENABLED:
        return "disabled"
    if request.method == "HEAD":
        return "head"
    if is_speculative(request):
        return "prefetch"
    if is_bot(request):
        return "bot"
    return "" if has_consent(request) else "consent"


def has_consent(request: HttpRequest) -> bool:
    """May this shopper be recognised? Asked once per request; a hook that raises means no."""
    state = state_of(request)
    if state.consent is None:
        try:
            state.consent = _ask(request)
        except SynchronousOnlyOperation:  # a hook that reads: asked again away from the event loop
            return False
    return state.consent


def _ask(request: HttpRequest) -> bool:
    if conf.settings.HONOUR_GPC and request.META.get("HTTP_SEC_GPC", "").strip() == "1":
        return False
    hook = backends.hook("RECO_CONSENT", conf.settings.CONSENT)
    if hook is None:
        return True
    try:
        with savepoint(conf.settings.DATABASE):
            return bool(hook(request))
    except SynchronousOnlyOperation:
        raise
    except Exception:
        logger.exception("RECO_CONSENT raised; taken as a refusal.")
        if conf.settings.DEBUG_RAISE:
            raise
        return False


def _is_left_out_staff(request: HttpRequest) -> bool:
    if conf.settings.TRACK_STAFF:
        return False
    user = getattr(request, "user", None)
    return bool(getattr(user, "is_staff", False))
