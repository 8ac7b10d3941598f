"""A guest turns out to be a user: what they did as a guest becomes theirs."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from reco_plugin import backends, conf
from reco_plugin.capture import background, interests
from reco_plugin.capture.attempts import attempt
from reco_plugin.capture.gate import has_consent
from reco_plugin.capture.identity import rotate, shopper_id, visitor_of
from reco_plugin.capture.lifecycle import state_of
from reco_plugin.capture.recording import defer
from reco_plugin.models import Interaction, VisitorLink
from reco_plugin.types import Key


def logged_in(request: HttpRequest, user: Any) -> None:
    """Merge the visitor's history into the user's once the login has committed, with consent.

    The browser gets a new visitor id: once the session has run out, whoever sits there is a guest with
    a history of their own again, whose pages follow their clicks and who is not taken for the user.
    """
    state = state_of(request)
    state.shopper = None
    if not conf.settings.ENABLED or state.is_new or not has_consent(request):
        return
    if visitor := visitor_of(request):
        site = backends.site(request)
        defer(partial(_merge_and_rotate, request, visitor, site, user.pk), request)
        if background.in_event_loop():  # afterwards it would be too late for a cookie
            rotate(request)


def logged_out(request: HttpRequest) -> None:
    """Forget the visitor id: whoever uses this browser next is somebody else."""
    if conf.settings.ENABLED:
        rotate(request)


def _merge_and_rotate(request: HttpRequest, visitor: uuid.UUID, site: int, user: Key) -> None:
    attempt(partial(merge, visitor, site, user), site=site, name="guest's history")
    if state_of(request).visitor == visitor:
        rotate(request)


def merge(visitor: uuid.UUID, site: int, user: Key) -> int | None:
    """Give the interactions and interests of `visitor` to `user`, in one transaction; returns how many
    interactions moved.

    None, and nothing moves, when the visitor id already belongs to another user (a shared device):
    the first login wins. The link row is written first, so that concurrent logins wait for each
    other; doing it again moves only what came late.
    """
    using = conf.settings.DATABASE
    shopper = shopper_id(site, user)
    with transaction.atomic(using=using):
        links = VisitorLink.objects.using(using)
        link = VisitorLink(visitor=visitor, site=site, shopper=shopper)
        links.bulk_create([link], ignore_conflicts=True)
        owner = links.values_list("shopper", flat=True).get(visitor=visitor, site=site)
        if owner != shopper:
            return None
        interests.move(visitor, shopper, site)
        guests = Interaction.objects.using(using).filter(site=site, shopper=visitor)
        return guests.update(shopper=shopper, user_id=user)
