"""Who is asking: a user, a guest with a visitor id, or nobody.

The visitor id is a random (version 4) UUID in a cookie of its own, or in the session when
RECO_VISITOR_COOKIE is ''. It says nothing about anyone, so it is not signed; ids we derive (users,
guests of old orders) are version 5, and a cookie that carries one of those is refused: nobody can
act as somebody else by computing their id.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.crypto import salted_hmac

from reco_plugin import backends, conf
from reco_plugin.capture.bots import is_bot
from reco_plugin.capture.gate import has_consent
from reco_plugin.capture.lifecycle import state_of
from reco_plugin.types import Key, Shopper

logger = logging.getLogger(__name__)

SESSION_KEY = "reco_visitor"
_NAMESPACE = uuid.UUID("a54c2f1e-30e0-5f0c-9a46-2f4f3a0d7c11")


def shopper_id(site: int, user_pk: Key) -> uuid.UUID:
    """The accountable identity of a logged-in user: the same in every process, for ever."""
    return uuid.uuid5(_NAMESPACE, f"user:{site}:{user_pk}")


def shopper_of(user: Any, site: int | None = None) -> Shopper:
    """Who `user` (an instance or a key) is to us, where there is no request, as in an e-mail.

    `site` is the number of the shop, RECO_SITE by default.
    """
    key: Key = getattr(user, "pk", user)
    return Shopper(id=shopper_id(backends.site() if site is None else site, key), user=key)


def guest_id(site: int, guest: str) -> uuid.UUID:
    """A stable identity for a guest known only by `guest` (a customer number, an e-mail).

    Keyed with SECRET_KEY, so that it cannot be guessed back from the id; `guest` is not kept.
    """
    digest = salted_hmac("reco_plugin.guest", f"{site}:{guest}", algorithm="sha256").digest()
    return uuid.UUID(bytes=digest[:16], version=5)


def parse_visitor(text: object) -> uuid.UUID | None:
    """A visitor id as we mint them, or None for anything else."""
    try:
        visitor = uuid.UUID(str(text))
    except ValueError:
        return None
    return visitor if visitor.version == 4 else None


def identify(request: HttpRequest) -> Shopper | None:
    """Who is asking. None without consent, for a bot, when disabled, or where nothing can be kept.

    Never raises, but under RECO_DEBUG_RAISE.

    A guest seen for the first time gets a visitor id here, which RecoMiddleware sets as a cookie. May
    load the user: under an event loop, call it through sync_to_async.
    """
    state_of(request).was_read = True
    try:
        return whose(request)
    except Exception:
        logger.exception("Nobody was recognised: who is asking could not be told.")
        if conf.settings.DEBUG_RAISE:
            raise
        return None


def whose(request: HttpRequest) -> Shopper | None:
    """As `identify`, for what is recorded and not shown: the page does not depend on it."""
    state = state_of(request)
    if not conf.settings.ENABLED or is_bot(request) or not has_consent(request):
        return None
    user = getattr(request, "user", None)
    user_pk = user.pk if user is not None and user.is_authenticated else None
    if state.shopper is None or state.shopper_of != user_pk:
        state.shopper = _shopper(request, user_pk)
        state.shopper_of = user_pk
    return state.shopper


def _shopper(request: HttpRequest, user_pk: Key | None) -> Shopper | None:
    if user_pk is not None:
        return Shopper(id=shopper_id(backends.site(request), user_pk), user=user_pk)
    visitor = visitor_of(request) or mint(request)
    return Shopper(id=visitor, is_new=state_of(request).is_new) if visitor else None


def visitor_of(request: HttpRequest) -> uuid.UUID | None:
    """The visitor id this browser carries. Only ask with consent."""
    state = state_of(request)
    if state.visitor is None:
        if name := conf.settings.VISITOR_COOKIE:
            state.visitor = parse_visitor(request.COOKIES.get(name))
        if state.visitor is None and _uses_session(request):
            state.visitor = parse_visitor(request.session.get(SESSION_KEY))
    return state.visitor


def mint(request: HttpRequest) -> uuid.UUID | None:
    """Make a visitor id; None where there is neither a cookie nor a session to keep it in."""
    state = state_of(request)
    visitor = uuid.uuid4()
    if _uses_session(request):
        is_kept = _keep_in_session(request, visitor)
    else:
        is_kept = bool(conf.settings.VISITOR_COOKIE) and state.has_middleware
        is_kept = is_kept and not state.is_finished
    if not is_kept:
        return None
    state.visitor, state.is_new, state.shopper = visitor, True, None
    return visitor


def _keep_in_session(request: HttpRequest, visitor: uuid.UUID) -> bool:
    """SessionMiddleware saves what changes before the response is out; afterwards we must.

    By then the shopper's next request may have changed the session: we add to it as it is now.
    """
    session = request.session
    if state_of(request).is_finished:
        if not session.session_key:
            return False
        session = type(session)(session.session_key)
        session[SESSION_KEY] = str(visitor)
        if not session.session_key:  # it has been ended
            return False
        session.save()
    request.session[SESSION_KEY] = str(visitor)
    return True


def rotate(request: HttpRequest) -> None:
    """Give this browser a new visitor id: whoever uses it next is somebody else."""
    state = state_of(request)
    state.visitor = state.shopper = None
    if has_consent(request):
        mint(request)


def _uses_session(request: HttpRequest) -> bool:
    has_cookie = bool(conf.settings.VISITOR_COOKIE) and state_of(request).has_middleware
    return not has_cookie and hasattr(request, "session")


def finish(request: HttpRequest, response: HttpResponseBase) -> None:
    """Set, renew or remove the visitor cookie on the response."""
    state = state_of(request)
    state.is_finished = True
    if state.was_read:
        patch_vary_headers(response, ("Cookie",))
    name = conf.settings.VISITOR_COOKIE
    if not name:
        return
    if state.consent is False:
        if name in request.COOKIES:
            response.delete_cookie(name, samesite="Lax")
    elif state.is_new and state.visitor is not None:
        _set_cookie(request, response, name, state.visitor)


def _set_cookie(
    request: HttpRequest, response: HttpResponseBase, name: str, visitor: uuid.UUID
) -> None:
    patch_vary_headers(response, ("Cookie",))
    response.set_cookie(
        name,
        str(visitor),
        max_age=conf.settings.VISITOR_COOKIE_AGE,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
