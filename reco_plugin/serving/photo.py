"""`search_by_photo()`: a shopper's photo in, products that look like it out. It never raises.

The photo is opened and looked at in a process of its own (see `encoders.service`), and is neither stored nor
logged. Between the two reads of the database, which have the limits of every slate, nothing of it is held.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from asgiref.sync import sync_to_async
from django.db import Error
from django.http import HttpRequest

from reco_plugin import backends, conf, outages
from reco_plugin.bounded import savepoint
from reco_plugin.breaker import breaker
from reco_plugin.encoders.base import Refused
from reco_plugin.exceptions import EncoderBusy, EncoderUnavailable, StoreError
from reco_plugin.pipeline import LiveRun
from reco_plugin.serving import photo_encoder, pointers, refusals, served
from reco_plugin.serving.answers import answer, empty
from reco_plugin.serving.asking import MOST, Ask, Circumstances, circumstances
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.matching import Matching, Wish
from reco_plugin.serving.photo_encoder import Eye
from reco_plugin.serving.queries import LEAST_FETCH, MOST_FETCH, OVERFETCH
from reco_plugin.serving.reads import Allowance, Unavailable, bounded
from reco_plugin.serving.recommend import guarded, switched_off
from reco_plugin.serving.recording import record as record_shown
from reco_plugin.serving.rungs import ROUNDS, store_settings
from reco_plugin.serving.shared import Shared
from reco_plugin.stores.base import Scored, Store, Within
from reco_plugin.types import Candidate, Floats, Key, KindShare, PlacementSpec, Rung, Slate

logger = logging.getLogger(__name__)

KIND = "photo"
REASON = "looks_like_photo"


def search_by_photo(
    data: bytes,
    *,
    request: HttpRequest | None = None,
    limit: int | None = None,
    category: Any = "",
    match: Mapping[str, str] = MappingProxyType({}),
    record: bool = True,
) -> Slate:
    """Up to `limit` (RECO_LIMIT, at most 100) live, eligible products that look most like the photo `data`.

    `category` (a path, or the shop's own category) and `match` ({'brand': 'Acme', 'colour': 'Red'}) keep out
    what is not in it or not like that. What is in the cart or was bought stays in: it was asked for.

    Waits at most RECO_PHOTO_TIMEOUT_MS for the encoder. A photo that has no answer gives an empty slate, and
    `refusals.refusal(slate)` says why: a photo that cannot be opened, too much to do, no encoder. With a
    `request` of a person impressions are recorded, unless `record` is False. Never raises but
    under RECO_DEBUG_RAISE.
    """
    began = time.perf_counter()
    wish = Wish(category=category, match=dict(match))
    slate = guarded(KIND, KIND, lambda: _slate(data, request, limit, wish))
    if record:
        record_shown([slate], request)
    served.tell(slate, time.perf_counter() - began, request)
    return slate


asearch_by_photo = sync_to_async(search_by_photo, thread_sensitive=True)
"""`search_by_photo` for async views. Others on the event loop's thread for database work wait meanwhile."""


@dataclass(frozen=True, kw_only=True)
class _Search:
    """One search, once it is settled."""

    ask: Ask
    shared: Shared
    visual: LiveRun
    eye: Eye
    wish: Wish
    allowance: Allowance
    shopper: Any


class _NoAnswer(Exception):
    """The photo has no answer: a code of `refusals`, and words for whoever runs the shop."""

    def __init__(self, code: str, words: str = "") -> None:
        super().__init__(words)
        self.note = refusals.note(code, words)


def _slate(data: bytes, request: HttpRequest | None, limit: int | None, wish: Wish) -> Slate:
    try:
        if off := switched_off(KIND) or ("" if conf.settings.PHOTO_SEARCH else "RECO_PHOTO_SEARCH"):
            raise _NoAnswer(refusals.OFF, off)
        if len(data) > conf.settings.PHOTO_MAX_BYTES:
            raise _NoAnswer("too_large")
        search = _settled(request, limit, wish)
        began = time.perf_counter()
        vector = _seen(data, search)
        timings = {"encode": time.perf_counter() - began}
        return _found(search, vector, timings)
    except _NoAnswer as reason:
        return empty(KIND, "", reason.note)
    except (Error, StoreError, Unavailable) as error:
        words = outages.in_words(error) if isinstance(error, Error) else str(error)
        logger.warning("A search by photo could not be answered: %s", words)
        return empty(KIND, "", refusals.note(refusals.ABSENT, words))


# --- before the photo is looked at ------------------------------------------------------------------


def _settled(request: HttpRequest | None, limit: int | None, wish: Wish) -> _Search:
    """Raises _NoAnswer where there is nothing to compare a photo with."""
    with savepoint(conf.settings.DATABASE):  # the shop's own user, site … may read
        found = circumstances(request=request, cart=(), category=wish.category)
    wanted = conf.settings.LIMIT if limit is None else int(limit)
    spec = PlacementSpec(slug=KIND, kinds=(KindShare(kind=KIND),), fallback=(), max_items=wanted)
    # nobody in particular: nothing is kept out for what it was to this shopper before
    anyone: Circumstances = replace(found, shopper=None)
    size = max(0, min(MOST, wanted))
    ask = Ask(kind=KIND, spec=spec, steps=(), limit=size, placement=KIND, of=anyone)
    known = pointers.recall(found.using, found.site)
    shared = Shared(using=found.using, site=found.site, shopper=None, pointers=known)
    allowance = Allowance(conf.settings.STATEMENT_TIMEOUT_MS)
    with _window(found.using, allowance):
        visual = shared.reader().runs.get("visual")
        if visual is None:
            raise _NoAnswer(refusals.ABSENT, "no visual run is live")
        try:
            eye = photo_encoder.eye(found.using, visual)
        except EncoderUnavailable as error:
            raise _NoAnswer(refusals.ABSENT, str(error)) from error
    return _Search(
        ask=ask,
        shared=shared,
        visual=visual,
        eye=eye,
        wish=replace(wish, category=found.category),
        allowance=allowance,
        shopper=found.shopper,
    )


def _seen(data: bytes, search: _Search) -> Floats:
    """The photo's vector, as the products of the run have theirs."""
    using, site = search.ask.using, search.ask.of.site
    service = photo_encoder.service(using, site, search.eye.job())
    try:
        found = service.ask(data, conf.settings.PHOTO_TIMEOUT_MS / 1_000)
    except EncoderBusy as error:
        raise _NoAnswer(refusals.BUSY, str(error)) from error
    except EncoderUnavailable as error:
        logger.warning("No photo can be looked at: %s", error)
        raise _NoAnswer(refusals.ABSENT, str(error)) from error
    if isinstance(found, Refused):
        raise _NoAnswer(str(found.fault), found.words)
    return search.eye.in_the_space_of_the_run(found)


@contextmanager
def _window(
    using: str, allowance: Allowance, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[None]:
    """Bounded reads, unless the database is given up; the breaker learns how it went."""
    reads = breaker("reads", using)
    if not reads.allows():
        raise Unavailable(f"the database is given up for {reads.seconds_left:.0f} s")
    try:
        with bounded(using, allowance, settings):
            yield
    except (Error, StoreError, Unavailable) as error:
        is_out = outages.is_outage(error) or getattr(error, "is_outage", False)
        reads.failed() if is_out else reads.undecided()
        raise
    except BaseException:
        reads.undecided()
        raise
    reads.succeeded() if allowance.answered else reads.undecided()


# --- the products that look like it -----------------------------------------------------------------


def _found(search: _Search, vector: Floats, timings: dict[str, float]) -> Slate:
    began = time.perf_counter()
    filling = Filling(limit=search.ask.limit, timings=timings)
    eligibility = Matching(search.ask, search.shared, search.wish)
    with _window(search.ask.using, search.allowance, store_settings(search.shared, "visual")):
        _fill(search, filling, eligibility, vector)
    filling.timings[KIND] = time.perf_counter() - began
    slate = answer(search.ask, filling, search.shared)
    return replace(slate, shopper=search.shopper.id if search.shopper else None)


def _fill(search: _Search, filling: Filling, eligibility: Matching, vector: Floats) -> None:
    """By the index first, where nothing is wished for; the rest by exact scans of what may be shown."""
    store = backends.store(search.visual.store)
    if not search.wish:
        k = min(MOST_FETCH, max(LEAST_FETCH, OVERFETCH * filling.limit))
        first = _nearest(store, search.visual, vector, k)
        _take(search, filling, eligibility, first)
        if len(first) < k:
            return
    seen: set[Key] = {item.key for item in filling.items}
    for _ in range(ROUNDS):
        if filling.missing <= 0:
            return
        within = eligibility.within(filling.groups, sensitive=False, without=seen)
        if within is None:
            return
        wanted = filling.missing
        found = _nearest(store, search.visual, vector, wanted, within)
        seen.update(one.key for one in found)
        if not _take(search, filling, eligibility, found) or len(found) < wanted:
            return


def _nearest(
    store: Store, visual: LiveRun, vector: Floats, k: int, within: Within | None = None
) -> Sequence[Scored]:
    return store.nearest(visual.handle, vector, k, within=within)


def _take(search: _Search, filling: Filling, eligibility: Matching, found: Iterable[Scored]) -> int:
    candidates = [
        Candidate(key=one.key, score=one.score, source=KIND, rung=Rung.CONTEXTUAL, reason=REASON)
        for one in found
    ]
    live = eligibility.live([one.key for one in candidates], sensitive=False)
    return filling.take(candidates, live, {KIND: search.visual.run})
