"""Thin shells over rooms."""

from __future__ import annotations

import logging
import uuid
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from reco_plugin import backends, capture, conf, measurement
from reco_plugin.capture import interests as declared
from reco_plugin.measurement import ClickToken
from reco_plugin.models import Click
from reco_plugin.serving import photo as photos
from reco_plugin.serving import refusals, uploads
from reco_plugin.serving.headings import heading
from reco_plugin.serving.tiles import Tile, tiles
from reco_plugin.serving.visitors import one_at_a_time
from reco_plugin.signals import recommendation_clicked
from reco_plugin.types import EventKind, EventSource, Slate

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


MOST_MATCHES = 10
PHOTO_ANSWER = "reco/photo_answer.html"


@csrf_exempt  # `_photo` checks it: until the photo can only come into memory, nobody may read the form
@require_POST
@never_cache
@transaction.non_atomic_requests
def photo(request: HttpRequest) -> HttpResponse:
    """Products that look like an uploaded `photo`: JSON, or HTML for whoever prefers it.

    The form may say `category` (a path), `match` ('brand:Acme', 'colour:Red', any number of times) and
    `limit`. 400: the photo cannot be opened; 413: it is too large, and is not read; 429: the visitor's last one is
    still looked at; 503: too much to do, or no encoder. The photo is neither stored nor logged.
    """
    receiver = uploads.expect(request)
    if receiver is None:
        return _refused(request, refusals.of("too_large"))
    return _photo(request, receiver)


@csrf_protect
def _photo(request: HttpRequest, receiver: uploads.PhotoInMemory) -> HttpResponse:
    data = uploads.photo_of(request)
    if receiver.is_too_large:
        return _refused(request, refusals.of("too_large"))
    if data is None:
        return _refused(request, refusals.of(refusals.NO_FILE))
    with one_at_a_time(request) as may_ask:
        if not may_ask:
            return _refused(request, refusals.of(refusals.YOURS))
        slate = photos.search_by_photo(
            data,
            request=request,
            limit=_number(request.POST.get("limit", "")),
            category=request.POST.get("category", ""),
            match=_wishes(request),
        )
    if refused := refusals.refusal(slate):
        return _refused(request, refused)
    return _answered(request, slate)


def _wishes(request: HttpRequest) -> dict[str, str]:
    """What was left open in a form is not wished for."""
    pairs = _liked(request, "match")[:MOST_MATCHES]
    return {name: value for name, value in pairs if name and value}


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _answered(request: HttpRequest, slate: Slate) -> HttpResponse:
    shown = tiles(slate, request)
    if _wants_html(request):
        values = {"slate": slate, "tiles": shown, "title": heading(slate) if slate else ""}
        return _html(request, values)
    found = [_told(tile) for tile in shown]
    return _json({"kind": slate.kind, "slate": str(slate.id), "items": found})


def _told(tile: Tile) -> dict[str, Any]:
    return {
        "key": str(tile.item.key),
        "position": tile.item.position,
        "score": round(float(tile.item.score), 4),
        "title": tile.title,
        "href": tile.href,
        "image": tile.image,
        "price": tile.price,
        "reason": tile.reason,
    }


def _refused(request: HttpRequest, why: refusals.Refusal) -> HttpResponse:
    if _wants_html(request):
        response = _html(request, {"refusal": why}, status=why.status)
    else:
        said = {"code": why.code, "message": str(why.sentence)}
        response = _json({"kind": photos.KIND, "items": [], "error": said}, status=why.status)
    if why.may_be_tried_again:
        response["Retry-After"] = str(refusals.RETRY_SECONDS)
    return response


def _wants_html(request: HttpRequest) -> bool:
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def _html(request: HttpRequest, values: dict[str, Any], status: int = 200) -> HttpResponse:
    response = HttpResponse(render_to_string(PHOTO_ANSWER, values, request), status=status)
    patch_vary_headers(response, ("Accept",))
    return response


def _json(said: dict[str, Any], status: int = 200) -> HttpResponse:
    response = JsonResponse(said, status=status)
    patch_vary_headers(response, ("Accept",))
    return response


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
