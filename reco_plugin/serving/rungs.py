"""What each rung goes by, and how it fills a slate: candidates first, live rows last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reco_plugin import backends, clock, conf
from reco_plugin.pipeline import LiveRun, Reader, ordered
from reco_plugin.retrieval import Personal, Popular, PopularInCategory, Query, Similar, Source
from reco_plugin.retrieval.base import chain
from reco_plugin.serving import pointers
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.eligibility import Eligibility
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.keys import key_of
from reco_plugin.serving.past import Past
from reco_plugin.serving.share import share_of
from reco_plugin.stores.base import Store, Tuned
from reco_plugin.types import Candidate, Key, Rung

SOURCES: dict[Rung, Source] = {
    Rung.PERSONAL: Personal(),
    Rung.CONTEXTUAL: Similar(),
    Rung.POPULAR_IN_CATEGORY: PopularInCategory(),
    Rung.POPULAR: Popular(),
}
VECTOR_RUNGS = (Rung.PERSONAL, Rung.CONTEXTUAL)
RECENT_ANCHORS = 3
"""Newest products of a shopper that stand in for a page's product."""
OVERFETCH = 4
"""Candidates read for each tile, for eligibility to choose from."""
LEAST_FETCH = 32
MOST_FETCH = 200
"""More than this is asked of an exact scan instead."""
BATCH = 100
"""Ranked candidates checked against live rows in one statement."""


class NothingToGoBy(Exception):
    """This rung has no answer to this question; the message says why."""


class Rungs:
    """The rungs of one slate. They share what they read."""

    def __init__(self, ask: Ask, filling: Filling) -> None:
        self.ask = ask
        self.filling = filling
        self.live = pointers.recall(ask.using, ask.site)
        self._eligibility = Eligibility(ask)
        self._share = share_of(ask.using, ask.site)
        self._reader: Reader | None = None
        self._past: Past | None = None

    def fill(self, rung: Rung) -> None:
        """Add what this rung offers, as far as it may be shown. Raises NothingToGoBy."""
        source, reader = SOURCES[rung], self._open()
        query = self._query(rung, reader)
        lookups = source.lookups(query)
        if not lookups:
            raise NothingToGoBy("nothing to go by")
        candidates = source.candidates(query, reader.answer(lookups))
        self._take(candidates, rung)
        if rung in VECTOR_RUNGS and len(candidates) >= query.k:
            self._widen(source, query, reader)
            self._top_up(source, query, reader)

    def settings(self, rung: Rung) -> Mapping[str, str]:
        """What the store wants set while this rung reads, as far as that is known without reading."""
        run = self.live.personal if self.live and rung in VECTOR_RUNGS else None
        if run is None:
            return {}
        store: Store | Tuned = backends.store(run.store)
        return store.settings(run.handle) if hasattr(store, "settings") else {}

    def look_again(self) -> None:
        """Read which runs are live, and forget what was read of those that were."""
        self.live = pointers.read(self.ask.using, self.ask.site)
        self._reader = self._past = None

    # --- what each rung goes by --------------------------------------------------------------

    def _query(self, rung: Rung, reader: Reader) -> Query:
        wanted = OVERFETCH * self.ask.limit + len(self._eligibility.excluded)
        query = Query(k=min(MOST_FETCH, max(LEAST_FETCH, wanted)))
        if rung is Rung.PERSONAL:
            return self._personal(query, self._run(reader.personal), reader)
        if rung is Rung.CONTEXTUAL:
            self._run(reader.personal)
            return replace(query, anchors=self._anchors(reader))
        self._run(reader.popular)
        if rung is Rung.POPULAR_IN_CATEGORY:
            return replace(query, categories=self._categories(reader))
        return query

    def _run(self, run: LiveRun | None) -> LiveRun:
        if run is None:
            raise NothingToGoBy("no run is live")
        return run

    def _personal(self, query: Query, run: LiveRun, reader: Reader) -> Query:
        vector = self._read_past(reader).vector(run, clock.now())
        if vector is None:
            raise NothingToGoBy("no history the run knows")
        return replace(query, vector=vector, k=query.k + len(self._eligibility.excluded))

    def _anchors(self, reader: Reader) -> tuple[Key, ...]:
        anchors = self.ask.anchors
        if not anchors and self.ask.kind == "personal":
            anchors = self._read_past(reader).recent[:RECENT_ANCHORS]
        if not anchors:
            raise NothingToGoBy("no product to be similar to")
        return anchors

    def _categories(self, reader: Reader) -> tuple[str, ...]:
        if self.ask.category:
            return chain(self.ask.category)
        nearby = (*self.ask.anchors, *(self._past.recent if self._past else ()))
        paths = reader.categories(nearby[0]) if nearby else ()
        if not paths:
            raise NothingToGoBy("no category")
        return tuple(dict.fromkeys(part for path in paths for part in chain(path)))

    def _read_past(self, reader: Reader) -> Past:
        if self._past is None:
            shopper = self.ask.shopper
            if shopper is None:
                raise NothingToGoBy("no shopper is recognised")
            if shopper.is_new:
                raise NothingToGoBy("a new visitor")
            limit = conf.settings.HISTORY
            history = reader.history(shopper.id, limit)
            self._past = Past(history=history, whole=len(history.events) < limit)
            self._eligibility.know_past(self._past.left_out, whole=self._past.whole)
        return self._past

    def _open(self) -> Reader:
        if self._reader is None:
            live = self.live or pointers.read(self.ask.using, self.ask.site)
            model = self.ask.catalog.model
            self.live = live
            self._reader = Reader(
                store=backends.store(live.personal.store) if live.personal else None,
                personal=live.personal,
                popular=live.popular,
                to_key=lambda value: key_of(model, value),
                using=self.ask.using,
            )
        return self._reader

    # --- candidates → live rows --------------------------------------------------------------

    def _take(self, candidates: Sequence[Candidate], rung: Rung) -> int:
        """Add the candidates that may be shown, in their order; returns how many."""
        shown = (item.key for item in self.filling.items)
        offered = ordered(candidates, without=self._eligibility.excluded.union(shown))
        taken, at = 0, 0
        while at < len(offered) and self.filling.missing > 0:
            batch = offered[at : at + self._batch(first=at == 0)]
            keys = [candidate.key for candidate in batch]
            live = self._eligibility.live(keys, sensitive=self._may_be_sensitive(rung))
            self._share.learn(len(live), len(batch))
            taken += self.filling.take(batch, live, self._run_number(rung))
            at += len(batch)
        return taken

    def _batch(self, *, first: bool) -> int:
        """Candidates to read live rows of: as few as fill the slate, where no two can be one tile."""
        if first and not self._eligibility.has_groups:
            return min(BATCH, self._share.enough_for(self.filling.missing))
        return BATCH

    def _widen(self, source: Source, query: Query, reader: Reader) -> None:
        """Ask the index once more, for as many as the share of eligible products suggests."""
        found = len(self.filling.items)
        if self.filling.missing <= 0 or found == 0:
            return
        wider = replace(query, k=int(query.k * 1.5 * self.filling.limit / found))
        if wider.k <= MOST_FETCH:
            self._take(source.candidates(wider, reader.answer(source.lookups(wider))), source.rung)

    def _top_up(self, source: Source, query: Query, reader: Reader) -> None:
        """Exact scans of what may be shown, until the slate is full or nothing is left."""
        while self.filling.missing > 0:
            within = self._eligibility.within(self.filling.groups, sensitive=False)
            if within is None:
                return
            rest = replace(query, k=self.filling.missing)
            answers = reader.answer(source.lookups(rest), within)
            candidates = source.candidates(rest, answers)
            if not self._take(candidates, source.rung) or len(candidates) < rest.k:
                return

    def _may_be_sensitive(self, rung: Rung) -> bool:
        """Only where the shopper asked for the popular products of that very category."""
        asked = self.ask.kind == "popular" and bool(self.ask.category)
        return asked and rung is Rung.POPULAR_IN_CATEGORY

    def _run_number(self, rung: Rung) -> int | None:
        run = None
        if self.live is not None:
            run = self.live.personal if rung in VECTOR_RUNGS else self.live.popular
        return run.run if run else None
