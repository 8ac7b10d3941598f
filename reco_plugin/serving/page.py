"""`plan()`: every slate of a page in one pass, read together and filled in turn. It never raises."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from reco_plugin import conf, placements
from reco_plugin.bounded import savepoint
from reco_plugin.breaker import breaker
from reco_plugin.serving import served, spots
from reco_plugin.serving.answers import answer, empty
from reco_plugin.serving.asking import Ask, Circumstances, Unusable, circumstances, settle
from reco_plugin.serving.headings import each_its_own
from reco_plugin.serving.ladder import Ladder
from reco_plugin.serving.prefetch import prefetch
from reco_plugin.serving.recommend import guarded, judge, log, switched_off
from reco_plugin.serving.recording import record as record_shown
from reco_plugin.serving.rungs import is_idle
from reco_plugin.serving.shared import Shared, shared_of
from reco_plugin.types import Shopper, Slate


class Page(Mapping[str, Slate]):
    """The slates of a page by the names of their placements, in the order in which they chose.

    One that has nothing to show is empty, and its notes say why.
    """

    def __init__(self, slates: Mapping[str, Slate] | None = None) -> None:
        self._slates = dict(slates or {})

    def __getitem__(self, name: str) -> Slate:
        return self._slates[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._slates)

    def __len__(self) -> int:
        return len(self._slates)

    @property
    def slates(self) -> list[Slate]:
        """Those that have something to show."""
        return [slate for slate in self._slates.values() if slate]


def plan(
    request: HttpRequest | None,
    names: Iterable[str] | None = None,
    *,
    page: str = "",
    product: Any = None,
    category: Any = "",
    cart: Iterable[Any] | None = None,
    query: str = "",
    exclude: Iterable[Any] = (),
    shopper: Shopper | None = None,
    record: bool = True,
) -> Page:
    """Fill all of `names` (placements or kinds), or all active placements of `page` ('product' …).

    What they need is read together: one statement for each kind of lookup, one for what is known of
    the products, one for their live rows. What cannot be read costs those slates alone that needed
    it. No product is in two of them: the first in order chooses first. The other arguments are those
    of `recommend`; the impressions of the page are written in one statement after the response.

    Never raises and never breaks the caller's transaction; RECO_DEBUG_RAISE lets errors through.
    """
    began = time.perf_counter()
    asked = partial(
        circumstances,
        request=request,
        shopper=shopper,
        product=product,
        category=category,
        cart=cart,
        exclude=exclude,
        query=query,
    )
    listed = () if names is None else tuple(dict.fromkeys(names))
    try:
        found = _planned(listed, page, asked)
    except Exception as error:
        if conf.settings.DEBUG_RAISE:
            raise
        log(page or "page", "", error)
        found = {name: empty(name, "", f"error: {type(error).__name__}") for name in listed}
    if record:
        record_shown(found.values(), request)
    share = (time.perf_counter() - began) / max(1, len(found))
    for slate in found.values():
        served.tell(slate, share, request)
    return Page(found)


aplan = sync_to_async(plan, thread_sensitive=True)
"""`plan` for async views."""


def _planned(names: Sequence[str], page: str, asked: partial[Circumstances]) -> dict[str, Slate]:
    if off := switched_off():
        return {name: empty(name, "", off) for name in names}
    reads = breaker("reads", conf.settings.DATABASE)
    if not reads.allows():
        note = f"database: given up for {reads.seconds_left:.0f} s"
        return {name: empty(name, "", note) for name in names}
    ladders: dict[str, Ladder] = {}
    try:
        with savepoint(conf.settings.DATABASE):  # the shop's own user, exclude, … may read
            of = asked()
        return _filled(names or _of_page(page, of), of, ladders)
    finally:
        judge(reads, *(ladder.filling for ladder in ladders.values()))


def _of_page(page: str, of: Circumstances) -> list[str]:
    return [spec.slug for spec in placements.of_page(spots.known(of.using, of.site), page)]


def _filled(
    names: Iterable[str], of: Circumstances, ladders: dict[str, Ladder]
) -> dict[str, Slate]:
    """`ladders` learns of each slate that was begun."""
    shared = shared_of(of)
    found: dict[str, Slate] = {}
    for name in names:
        found[name] = empty(name, "", switched_off(name))
        if not found[name].notes[0]:
            found[name] = guarded(name, "", partial(_begun, name, of, shared, ladders))
    prefetch(list(ladders.values()), shared)
    for name, ladder in ladders.items():
        found[name] = guarded(name, "", partial(_ended, ladder))
    return each_its_own(found)


def _begun(name: str, of: Circumstances, shared: Shared, ladders: dict[str, Ladder]) -> Slate:
    try:
        ask: Ask = settle(name, of, limit=None, placement="")
    except Unusable as error:
        return empty(name, "", str(error))
    if not ask.spec.is_active:
        return empty(name, "", "a draft")
    sources = [source for step in ask.steps for source in step.sources]
    if sources and all(is_idle(source, shared) for source in sources):
        return empty(ask.kind, name, f"{sources[0]}: no run is live")
    ladders[name] = Ladder(ask, shared)
    return empty(name, "", "")


def _ended(ladder: Ladder) -> Slate:
    ladder.climb()
    return answer(ladder.ask, ladder.filling, ladder.shared)
