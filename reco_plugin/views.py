"""Thin shells over rooms."""

from __future__ import annotations

import logging
import uuid
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from reco_plugin import backends, capture, conf, measurement
from reco_plugin.capture import interests as declared
from reco_plugin.measurement import ClickToken
from reco_plugin.models import Click
from reco_plugin.signals import recommendation_clicked
from reco_plugin.types import EventKind, EventSource

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def click(request: HttpRequest, token: str) -> HttpResponse:
    """Count a click on a tile once, then lead on to the product's own page.

    Where it leads is worked out here from the product, never read from the link.
    """
    said = measurement.read_token(token)
    product = _product(said) if said else None
    if said is None or product is None:
        raise Http404("There is no such product.")
    address = _address(product)
    if said.counts:
        _count(request, said, product)
    response = HttpResponseRedirect(address)
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


MOST_FIELDS = 300
"""Boxes of one form that are looked at."""


@csrf_protect
@require_POST
@never_cache
def interests(request: HttpRequest) -> HttpResponse:
    """Keep what a shopper ticked (`interest`) of what they were shown (`offered`), then lead back.

    Both are given as 'category:Women > Shoes' or 'brand:Acme', any number of times; `forget=all` takes
    everything back. Without consent nothing is kept, and the answer is the same.
    """
    if request.POST.get("forget") == "all":
        declared.forget(request)
    else:
        declared.choose(request, _liked(request, "interest"), _liked(request, "offered"))
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(back if is_ours else "/")


def _liked(request: HttpRequest, name: str) -> list[declared.Liked]:
    pairs = (given.partition(":") for given in request.POST.getlist(name)[:MOST_FIELDS])
    return [(facet, value) for facet, _, value in pairs]


def _product(said: ClickToken) -> Any:
    try:
        products = backends.catalog().model._default_manager.using(conf.settings.DATABASE)
        return products.filter(pk=said.key).first()
    except (ValidationError, ValueError, TypeError):
        return None


def _address(product: Any) -> str:
    """Raises Http404 for a product whose page the shop cannot name."""
    try:
        return backends.catalog().url(product) or "/"
    except Exception as error:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("Product %s has no address", product.pk)
        raise Http404("There is no such page.") from error


def _count(request: HttpRequest, said: ClickToken, product: Any) -> None:
    """After the response: a click that cannot be counted still leads on, and at once."""
    try:
        if not capture.is_recordable(request):
            return
        shopper = capture.identify(request)
        who = shopper.id if shopper else None
        found: list[Click] = []
        work = partial(_write, said, product, who, found)
        then = partial(_tell, request, product, found)
        later = partial(capture.attempt, work, site=said.site, name="clicks", then=then)
        capture.after_response(request, later)
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("A click on %s was lost", said.placement)


def _write(said: ClickToken, product: Any, who: uuid.UUID | None, found: list[Click]) -> None:
    if (click := measurement.record_click(said, product.pk, who)) is not None:
        found.append(click)


def _tell(request: HttpRequest, product: Any, found: list[Click]) -> None:
    """Whoever listens is the shop's own: it runs when our write, with its time limit, is over."""
    for click in found:
        capture.track(request, EventKind.SELECT_ITEM, product, source=EventSource.CLICK)
        recommendation_clicked.send_robust(type(click), click=click, request=request)
