"""Products that show the same picture, or almost: the same file twice, or two that look alike to the encoder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from reco_plugin import conf
from reco_plugin.admin import figures
from reco_plugin.admin.pages import OwnAdmin
from reco_plugin.admin.paging import TookTooLong, patiently
from reco_plugin.admin.sites import chosen
from reco_plugin.admin.thumbnails import Thumbnail, thumbnails
from reco_plugin.jobs.publish import active_run
from reco_plugin.models import Item, Neighbours, Picture
from reco_plugin.stores import keys as shop_keys

THRESHOLDS = (0.9, 0.95, 0.98, 0.99)
USUAL = 0.98
PARAMETER = "least"
MOST = 60
"""Groups, and pairs, on the page."""
MOST_READ = 2_000
"""Lists of neighbours that are looked through for pairs."""
MOST_SHARING = 24
"""Products of one group that are shown."""


@dataclass(frozen=True, kw_only=True)
class Same:
    """One file, and the products that show it."""

    count: int
    products: tuple[Thumbnail, ...]
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class Alike:
    one: Thumbnail
    two: Thumbnail
    cosine: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    cosine: float
    one: Any
    two: Any


def view(admin: OwnAdmin, request: HttpRequest) -> HttpResponseBase:
    """Raises PermissionDenied."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    site, least = chosen(request), _least(request)
    took_too_long = False
    shared: dict[str, list[Any]] = {}
    pairs: list[Pair] = []
    try:
        with patiently(conf.settings.DATABASE):
            shared = same_file(site)
            pairs = _of_two_files(near(site, least), shared)
    except TookTooLong:
        took_too_long = True
    known = thumbnails(_named(shared, pairs), request, admin.admin_site)
    return admin.page(
        request,
        "duplicates.html",
        title=_("Pictures that are there twice"),
        same=list(_same(shared, known)),
        alike=list(_alike(pairs, known)),
        is_live=active_run(site, "visual") is not None,
        least=least,
        thresholds=[(one, figures.decimal(one, 2)) for one in THRESHOLDS],
        most=MOST,
        took_too_long=took_too_long,
    )


def same_file(site: int) -> dict[str, list[Any]]:
    """Hash of a file → keys of the products that show it, where these are several; the most shared first.

    A product and its variants count as one.
    """
    pictures = Picture.objects.using(conf.settings.DATABASE).filter(site=site)
    hashes = pictures.exclude(content_hash="").order_by().values("content_hash")
    often = hashes.annotate(n=Count("product", distinct=True)).filter(n__gt=1).order_by("-n")
    wanted = [row["content_hash"] for row in often[: 4 * MOST]]
    found: dict[str, list[Any]] = {one: [] for one in wanted}
    rows = pictures.filter(content_hash__in=wanted).order_by("product_id")
    for content, key in rows.values_list("content_hash", "product_id"):
        found[content].append(key)
    group = _groups(key for keys in found.values() for key in keys)
    apart = {one: _one_of_each(keys, group) for one, keys in found.items()}
    several = [(one, keys) for one, keys in apart.items() if len(keys) > 1]
    return dict(several[:MOST])


def near(site: int, least: float) -> list[Pair]:
    """Pairs of products of at least this cosine in the live visual run, the nearest first.

    Read from the lists of neighbours made in advance; a product and its variants are no pair.
    """
    run = active_run(site, "visual")
    if run is None:
        return []
    lists = Neighbours.objects.using(conf.settings.DATABASE).filter(run=run, scores__0__gte=least)
    rows = lists.order_by("-scores__0", "product_id").values_list("product_id", "keys", "scores")
    cosines: dict[frozenset[Any], float] = {}
    for key, raw, scores in rows[:MOST_READ]:
        for other, cosine in zip(shop_keys.from_json(raw), scores, strict=True):
            if cosine < least:
                break
            cosines[frozenset((key, other))] = cosine
    group = _groups(key for pair in cosines for key in pair)
    pairs = (_pair(keys, cosine) for keys, cosine in cosines.items())
    apart = [one for one in pairs if group.get(one.one, one.one) != group.get(one.two, one.two)]
    return sorted(apart, key=lambda pair: (-pair.cosine, str(pair.one), str(pair.two)))[:MOST]


def _pair(keys: Iterable[Any], cosine: float) -> Pair:
    one, two = sorted(keys, key=str)
    return Pair(cosine=cosine, one=one, two=two)


def _of_two_files(pairs: Iterable[Pair], shared: Mapping[str, list[Any]]) -> list[Pair]:
    """Those that are not told of as the same file already."""
    file = {key: content for content, keys in shared.items() for key in keys}
    return [pair for pair in pairs if file.get(pair.one, pair.one) != file.get(pair.two, pair.two)]


def _groups(keys: Iterable[Any]) -> Mapping[Any, Any]:
    """Variant → its canonical product, for those of `keys` that are variants."""
    items = Item.objects.using(conf.settings.DATABASE).filter(pk__in=set(keys))
    return dict(items.exclude(group=None).values_list("pk", "group_id"))


def _one_of_each(keys: Iterable[Any], group: Mapping[Any, Any]) -> list[Any]:
    """The first of each product and its variants."""
    found: dict[Any, Any] = {}
    for key in keys:
        found.setdefault(group.get(key, key), key)
    return list(found.values())


def _named(shared: Mapping[str, list[Any]], pairs: Iterable[Pair]) -> Iterator[Any]:
    for keys in shared.values():
        yield from keys[:MOST_SHARING]
    for pair in pairs:
        yield from (pair.one, pair.two)


def _same(shared: Mapping[str, list[Any]], known: Mapping[Any, Thumbnail]) -> Iterator[Same]:
    for keys in shared.values():
        shown = tuple(known[key] for key in keys[:MOST_SHARING] if key in known)
        if len(shown) > 1:
            yield Same(count=len(keys), products=shown)


def _alike(pairs: Iterable[Pair], known: Mapping[Any, Thumbnail]) -> Iterator[Alike]:
    for pair in pairs:
        if pair.one in known and pair.two in known:
            cosine = figures.decimal(pair.cosine, 3)
            yield Alike(one=known[pair.one], two=known[pair.two], cosine=cosine)


def _least(request: HttpRequest) -> float:
    try:
        asked = float(request.GET.get(PARAMETER, ""))
    except ValueError:
        return USUAL
    return asked if math.isfinite(asked) and 0.5 <= asked <= 1 else USUAL
