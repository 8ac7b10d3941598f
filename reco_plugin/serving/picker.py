"""What a shopper may pick as an interest: the categories and brands that others go for most."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.signals import setting_changed
from django.http import HttpRequest

from reco_plugin import backends, conf
from reco_plugin.capture import interests
from reco_plugin.capture.identity import identify
from reco_plugin.catalog import Catalog
from reco_plugin.catalog.base import SEPARATOR
from reco_plugin.models import ActiveRun, Item, RankedList
from reco_plugin.retrieval.facets import RUNS
from reco_plugin.serving.keys import key_of
from reco_plugin.serving.reads import bounded
from reco_plugin.types import Key

FACET_OF = {run: facet for facet, run in RUNS.items()}
"""By the kind of run that ranks its values."""
SECONDS = 600.0
"""What is on offer is remembered by each process for so long."""
SAMPLE = 2_000
"""Items counted where no run has ranked them yet."""
DEPTH = 2
"""Levels of categories on offer."""
MOST = 100
PICTURES = 4
"""Products of a box that its picture is chosen from."""

logger = logging.getLogger(__name__)

Offers = Mapping[str, Sequence[str]]

_known: dict[tuple[str, int], tuple[float, Offers]] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One box to tick."""

    facet: str
    value: str
    label: str
    context: str
    """What tells it from another of the same label: the categories above it."""
    is_chosen: bool
    image: str = ""
    """Of a product that sells there, where pictures were asked for."""

    @property
    def key(self) -> str:
        """As the form sends it."""
        return f"{self.facet}:{self.value}"


def options(
    request: HttpRequest, limit: int = 12, *, pictures: bool = False
) -> dict[str, list[Option]] | None:
    """Up to `limit` boxes per facet, and those that are ticked; None where nobody may be recognised.

    One short read within RECO_STATEMENT_TIMEOUT_MS, and two for `pictures`; what is on offer is
    remembered. Raises django.db.Error, and Unavailable when the database is down.
    """
    shopper = identify(request)
    if shopper is None:
        return None
    site = backends.site(request)
    with bounded(conf.settings.DATABASE, conf.settings.STATEMENT_TIMEOUT_MS):
        chosen = interests.of(shopper, site)
        found = offers(site)
        boxes = {
            facet: _boxes(facet, found.get(facet, ()), chosen, limit) for facet in interests.FACETS
        }
        return _pictured(boxes, site, request) if pictures else boxes


def offers(site: int) -> Offers:
    """The values of each facet, the most sought after first."""
    using = conf.settings.DATABASE
    at, known = _known.get((using, site), (0.0, None))
    if known is None or time.monotonic() - at > SECONDS:
        known = _ranked(site, using)
        if missing := [facet for facet in interests.FACETS if not known.get(facet)]:
            counted = _counted(site, using)
            known = {**known, **{facet: counted[facet] for facet in missing}}
        _known[using, site] = (time.monotonic(), known)
    return known


def forget() -> None:
    """Look again at the next request."""
    _known.clear()


def _boxes(
    facet: str, values: Sequence[str], chosen: Sequence[interests.Liked], limit: int
) -> list[Option]:
    """What was chosen stays in sight, also when it is not among the first any more."""
    mine = [value for found, value in chosen if found == facet]
    seen = list(dict.fromkeys([*values[:limit], *mine]))
    return [_option(facet, value, value in mine) for value in seen]


def _option(facet: str, value: str, is_chosen: bool) -> Option:
    above, _, name = value.rpartition(SEPARATOR) if facet == "category" else ("", "", value)
    return Option(facet=facet, value=value, label=name, context=above, is_chosen=is_chosen)


def _pictured(
    boxes: dict[str, list[Option]], site: int, request: HttpRequest
) -> dict[str, list[Option]]:
    """Each with the picture of its most popular product that may be shown now and stands for no other."""
    catalog, using = backends.catalog(), conf.settings.DATABASE
    keys = _best_sellers(boxes, site, using)
    wanted = {key for found in keys.values() for key in found}
    products = catalog.products().using(using).filter(pk__in=wanted)
    shown = {each.pk: _image(catalog, each) for each in catalog.eligible(products, request)}
    free = {key for key, image in shown.items() if image}
    made: dict[str, list[Option]] = {}
    for facet, found in boxes.items():
        made[facet] = []
        for option in found:
            key = next((key for key in keys.get(_segment(option), ()) if key in free), None)
            free.discard(key)
            made[facet].append(replace(option, image=shown.get(key, "")))
    return made


def _image(catalog: Catalog, product: Any) -> str:
    """'' for a product whose file is lost: the others have theirs."""
    try:
        return catalog.image_url(product)
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("Product %s has no picture that can be shown", product.pk)
        return ""


def _best_sellers(
    boxes: Mapping[str, Sequence[Option]], site: int, using: str
) -> dict[str, list[Key]]:
    """The first products of the popular list of each box."""
    live = ActiveRun.objects.using(using).filter(site=site, kind="popular").values("run_id")
    segments = [_segment(option) for found in boxes.values() for option in found]
    rows = RankedList.objects.using(using).filter(run__in=live, segment__in=segments)
    model = backends.catalog().model
    return {
        segment: [
            key for key in (key_of(model, text) for text in keys[:PICTURES]) if key is not None
        ]
        for segment, keys in rows.values_list("segment", "keys")
    }


def _segment(option: Option) -> str:
    """As ranked lists call it."""
    return option.value if option.facet == "category" else option.key


def _ranked(site: int, using: str) -> dict[str, list[str]]:
    live = ActiveRun.objects.using(using).filter(site=site, kind__in=FACET_OF).values("run_id")
    rows = RankedList.objects.using(using).filter(run__in=live, segment="")
    return {
        FACET_OF[kind]: [key for key in map(str, keys) if _is_short(FACET_OF[kind], key)][:MOST]
        for kind, keys in rows.values_list("run__kind", "keys")
    }


def _counted(site: int, using: str) -> dict[str, list[str]]:
    """By number of products, in a sample."""
    items = Item.objects.using(using).filter(site=site, sensitive=False).order_by("-pk")
    counts: dict[str, Counter[str]] = {facet: Counter() for facet in interests.FACETS}
    total = 0
    for brand, paths in items.values_list("brand", "categories")[:SAMPLE]:
        total += 1
        counts["brand"].update([brand] if brand else [])
        counts["category"].update({path for each in paths or () for path in _short(each)})
    return {facet: _telling(found, total) for facet, found in counts.items()}


def _telling(found: Counter[str], total: int) -> list[str]:
    """What is true of every product says nothing of a shopper."""
    common = sorted(found, key=lambda value: (-found[value], value))
    return [value for value in common if found[value] < max(2, total)][:MOST]


def _short(path: str) -> list[str]:
    names = path.split(SEPARATOR)[:DEPTH]
    return [SEPARATOR.join(names[:depth]) for depth in range(1, len(names) + 1)]


def _is_short(facet: str, value: str) -> bool:
    return facet != "category" or value.count(SEPARATOR) < DEPTH


def _forget_setting(*, setting: str, **_: object) -> None:
    if setting.startswith(conf.PREFIX) or setting == "DATABASES":
        forget()


setting_changed.connect(_forget_setting, dispatch_uid="reco_plugin.serving.picker")
