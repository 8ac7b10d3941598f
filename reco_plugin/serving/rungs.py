"""What each source goes by, and how it fills a slate: candidates first, live rows last."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from reco_plugin import backends
from reco_plugin.pipeline import ordered
from reco_plugin.ranking.caps import Caps
from reco_plugin.retrieval import (
    KINDS,
    SOURCES,
    Answers,
    Lookup,
    Nearest,
    Neighbours,
    Query,
    Source,
)
from reco_plugin.retrieval.base import Following
from reco_plugin.retrieval.taste import by_taste
from reco_plugin.serving.arranging import Arranging, Wanted
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.eligibility import Eligibility
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.queries import MOST_FETCH, Queries
from reco_plugin.serving.share import share_of
from reco_plugin.serving.shared import Live, Shared
from reco_plugin.serving.ways import Step
from reco_plugin.stores.base import Store, Tuned
from reco_plugin.types import Candidate, Key, KindShare, Rung

Offers = Sequence[tuple[KindShare, Sequence[Candidate]]]

VECTOR_SOURCES: Mapping[str, str] = MappingProxyType(
    {"personal": "personal", "contextual": "personal", "visually_similar": "visual"}
)
"""Sources that ask the store of a live run of that kind, and can be asked for more."""
SHOWS_BOUGHT = frozenset({"recently_viewed"}) | {
    name for kind in KINDS.values() if kind.shows_bought for name in kind.sources
}
"""Sources that may offer what was bought lately."""
BATCH = 100
"""Ranked candidates checked against live rows in one statement."""
TASTED = 100
"""Candidates that are put in the shopper's own order."""
ROUNDS = 4
"""Exact scans for one slate, at most."""


class NothingToGoBy(Exception):
    """This source has no answer to this question; the message says why."""


class Rungs:
    """The sources of one slate. What they read they share with the slates of the page."""

    def __init__(self, ask: Ask, filling: Filling, shared: Shared) -> None:
        self.ask = ask
        self.filling = filling
        self.shared = shared
        self._eligibility = Eligibility(ask, shared)
        self._share = share_of(ask.using, ask.of.site)
        self._arranging = Arranging(ask, filling, shared)
        self._runs: dict[str, int | None] = {}
        self._queries = Queries(ask, shared, self._eligibility, screens=self._arranging.screens)
        self._offers: dict[str, list[Candidate]] = {}
        self._arranged: dict[Step, list[Candidate]] = {}
        filling.caps = Caps(ask.spec.caps) if ask.spec.caps else None

    # --- candidates ----------------------------------------------------------------------------

    def lookups(self, name: str) -> tuple[Lookup, ...]:
        """What this source wants read, as far as there is something to read it from."""
        reader = self.shared.reader()
        if self.is_idle(name):
            return ()
        found = SOURCES[name].lookups(self._queries.of(name))
        return tuple(one for one in found if reader.can(one))

    def is_idle(self, name: str) -> bool:
        """See `is_idle`."""
        return is_idle(name, self.shared)

    def offer(self, name: str) -> list[Candidate]:
        """What this source proposes, best first. Raises NothingToGoBy."""
        if name not in self._offers:
            self.shared.reader()
            if self.is_idle(name):
                raise NothingToGoBy("no run is live")
            self._offers[name] = self._offer(SOURCES[name], self._queries.of(name), name)
        return self._offers[name]

    def _offer(self, source: Source, query: Query, name: str) -> list[Candidate]:
        reader = self.shared.reader()
        lookups = source.lookups(query)
        usable = [one for one in lookups if reader.can(one)]
        if lookups and not usable:
            raise NothingToGoBy("no run is live")
        answers = reader.answer(usable, ahead=is_sparing(name))
        further = self._following(source, query, answers)
        if further:
            answers = {**answers, **reader.answer(further, ahead=True)}
        candidates = source.candidates(query, answers)
        if not candidates:
            raise NothingToGoBy("nothing found" if lookups else self._queries.why(name, query))
        if (named := getattr(source, "anchor", None)) is not None:
            self.filling.anchor = named(query, answers)
        run = reader.run_of(usable[0]) if usable else None
        self._runs[source.name] = run.run if run else None
        return self._by_taste(source, query, candidates)

    def following(self, name: str) -> tuple[Lookup, ...]:
        """What this source wants read once the answers to `lookups` are known, which are read no more."""
        if not isinstance(SOURCES[name], Following):
            return ()
        answers = self.shared.reader().answer(self.lookups(name), ahead=True)
        return self._following(SOURCES[name], self._queries.of(name), answers)

    def _following(self, source: Source, query: Query, answers: Answers) -> tuple[Lookup, ...]:
        if not isinstance(source, Following):
            return ()
        reader = self.shared.reader()
        return tuple(one for one in source.following(query, answers) if reader.can(one))

    def settings(self, name: str) -> Mapping[str, str]:
        """What the store wants set while this source reads, as far as that is known without reading."""
        return store_settings(self.shared, VECTOR_SOURCES[name]) if name in VECTOR_SOURCES else {}

    def look_again(self) -> None:
        """Read which runs are live, and forget what was read of those that were."""
        self.shared.look_again()
        self._queries.forget()
        self._offers.clear()
        self._arranged.clear()

    def _by_taste(
        self, source: Source, query: Query, candidates: list[Candidate]
    ) -> list[Candidate]:
        if query.vector is None or not getattr(source, "by_taste", False):
            return candidates
        first, rest = candidates[:TASTED], candidates[TASTED:]
        vectors = self.shared.vectors([candidate.key for candidate in first])
        return [*by_taste(first, query.vector, vectors), *rest]

    # --- candidates → live rows --------------------------------------------------------------

    def serve(self, step: Step, offers: Offers) -> None:
        """Add what is offered, as far as it may be shown."""
        self._take(self.arranged(step, offers), step)
        if not self._arranging.screens:
            self.take_rest(step)

    def take_rest(self, step: Step) -> None:
        """What the index left out: a wider look, then exact scans of what may be shown.

        Where a placement is choosy that is the last resort: such scans find much that it turns down.
        """
        name = step.sources[0]
        if name not in VECTOR_SOURCES or len(step.sources) > 1 or name not in self._offers:
            return
        source, query = SOURCES[name], self._queries.of(name)
        if len(self._offers[name]) >= query.k:
            self._widen(step, source, query)
            self._top_up(step, source, query)

    @property
    def screens(self) -> bool:
        """May the placement turn down candidates for what they are?"""
        return self._arranging.screens

    def arranged(self, step: Step, offers: Offers) -> list[Candidate]:
        """What is offered and not left out by its key, in the order the placement wants."""
        if step not in self._arranged:
            self._arranged[step] = self._order(step, offers)
        return self._arranged[step]

    def _order(self, step: Step, offers: Offers) -> list[Candidate]:
        left = [(share, self._allowed(candidates)) for share, candidates in offers]
        return self._arranging.order(left, explores=not step.is_fallback)

    def _live(self, candidates: Sequence[Candidate], step: Step) -> dict[Key, Live]:
        """The live rows of `candidates`, and of the product that the slate is about."""
        found: dict[Key, Live] = {}
        for _, shows_bought, keys in self.purposes(step, candidates):
            found |= self.live(step, keys, shows_bought=shows_bought)
        return found

    def _allowed(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        strict = self._eligibility.excluded()
        lenient = self._eligibility.excluded(shows_bought=True)
        shown = {item.key for item in self.filling.items}
        return [
            one
            for one in ordered(candidates, without=shown)
            if one.key not in (lenient if one.source in SHOWS_BOUGHT else strict)
        ]

    def _take(self, offered: Sequence[Candidate], step: Step) -> int:
        """Add the candidates that may be shown, in their order; returns how many."""
        taken, at = 0, 0
        while at < len(offered) and self.filling.missing > 0:
            size = BATCH if at else self._batch(wanted=self.filling.missing)
            batch = offered[at : at + (self._known(offered[at:], step) or size)]
            live = self._live(batch, step)
            self._share.learn(len(live), len(batch))
            taken += self.filling.take(
                [one for one in batch if self._still_holds(one, live)],
                live,
                self._runs,
                is_fallback=step.is_fallback,
                facts=self._arranging.facts,
            )
            at += len(batch)
        return taken

    def _still_holds(self, candidate: Candidate, live: Mapping[Key, Live]) -> bool:
        """A list tells what was reduced when it was made; what is shown must be reduced now."""
        if candidate.source != "on_sale" or candidate.key not in live:
            return True
        return self.ask.of.catalog.on_sale(live[candidate.key][0])

    def _known(self, offered: Sequence[Candidate], step: Step) -> int:
        """How many of the first need not be read: their live rows are known to this page."""
        sensitive = self._may_be_sensitive(step)
        rows = {
            shows: self._eligibility.known(sensitive=sensitive, shows_bought=shows)
            for shows in (False, True)
        }
        known = (one.key in rows[one.source in SHOWS_BOUGHT] for one in offered)
        return next((at for at, is_known in enumerate(known) if not is_known), len(offered))

    def _batch(self, *, wanted: int) -> int:
        """Candidates to read live rows of: as few as fill the slate, where no two can be one tile."""
        if self._eligibility.has_groups or self.filling.caps is not None:
            return BATCH
        return min(BATCH, self._share.enough_for(wanted))

    # --- what a whole page is read for -----------------------------------------------------------

    def looks_back(self, name: str) -> bool:
        """Does this source go by the shopper's past?"""
        return not self.is_idle(name) and self._queries.looks_back(SOURCES[name])

    def nearby(self, step: Step) -> list[Key]:
        """The products by whose categories `step` looks something up."""
        return [key for name in step.sources for key in self._queries.near(SOURCES[name])]

    def news(self) -> tuple[Lookup, ...]:
        """What the placement itself wants looked up."""
        return self._arranging.lookups

    def is_ready(self, name: str) -> bool:
        """Can it be said what this source looks up, and is that nothing but lists, as a rule?"""
        source = SOURCES[name]
        if VECTOR_SOURCES.get(name) == "personal" or (
            self._queries.looks_back(source) and self.shared.past is None
        ):
            return False
        return all(self.shared.knows_facts(key) for key in self._queries.near(source))

    def has_enough(self, steps: Iterable[Step]) -> bool:
        """Do the sources of `steps` offer so much that the slate will surely be full?"""
        names = {name for step in steps for name in step.sources}
        found = {one.key for name in names for one in self._offers.get(name, ())}
        spare = 2 if self._arranging.screens else 1
        return len(found) >= spare * self._share.enough_for(self.ask.limit)

    def wanted(self, step: Step) -> Wanted:
        """What the order of this step's candidates goes by."""
        return self._arranging.wanted(self._offered(step))

    def foreseen(
        self, steps: Iterable[Step], shown: Collection[Key]
    ) -> list[tuple[Step, list[Candidate]]]:
        """Per step the candidates that are likely to be looked at, when `shown` are shown before."""
        found = []
        wanted = self.ask.limit
        for step in steps:
            offers = self._offered(step)
            arranged = self.arranged(step, offers) if offers else []
            size, chosen = self._reach(arranged, shown, wanted) if wanted > 0 else (0, 0)
            wanted -= int(self._share.value * chosen)
            found.append((step, arranged[:size]))
        return found

    def _reach(
        self, arranged: Sequence[Candidate], shown: Collection[Key], wanted: int
    ) -> tuple[int, int]:
        """How many of the first to look at for `wanted` tiles, and how many of them come into question:
        not those that are shown already, nor those that a cap leaves no room for."""
        enough = BATCH if self._eligibility.has_groups else self._share.enough_for(wanted)
        caps, facts = Caps(self.ask.spec.caps), self._arranging.facts
        chosen = 0
        for at, one in enumerate(arranged):
            if chosen >= enough:
                return at, chosen
            chosen += one.key not in shown and caps.try_take(facts.get(one.key))
        return len(arranged), chosen

    def purposes(
        self, step: Step, candidates: Iterable[Candidate]
    ) -> list[tuple[object, bool, list[Key]]]:
        """What live rows are to be read for, and of which products; see `Eligibility.purpose`."""
        keys: dict[bool, list[Key]] = {}
        for one in candidates:
            keys.setdefault(one.source in SHOWS_BOUGHT, []).append(one.key)
        if keys and self.filling.anchor is not None:
            next(iter(keys.values())).append(self.filling.anchor)
        sensitive = self._may_be_sensitive(step)
        return [
            (self._eligibility.purpose(sensitive, shows), shows, listed)
            for shows, listed in keys.items()
        ]

    def live(self, step: Step, keys: Sequence[Key], *, shows_bought: bool) -> dict[Key, Live]:
        """Live rows of `keys`."""
        sensitive = self._may_be_sensitive(step)
        return self._eligibility.live(keys, sensitive=sensitive, shows_bought=shows_bought)

    def _offered(self, step: Step) -> Offers:
        return [
            (share, self._offers[name]) for share, name in step.offers if self._offers.get(name)
        ]

    # --- more of the same ----------------------------------------------------------------------

    def _widen(self, step: Step, source: Source, query: Query) -> None:
        """Ask the index once more, for as many as the share of eligible products suggests."""
        found = len(self.filling.items)
        if self.filling.missing <= 0 or found == 0:
            return
        wider = replace(query, k=int(query.k * 1.5 * self.filling.limit / found))
        if wider.k <= MOST_FETCH:
            answers = self.shared.reader().answer(_of_store(source.lookups(wider)))
            self._take_more(source.candidates(wider, answers), step)

    def _top_up(self, step: Step, source: Source, query: Query) -> None:
        """Exact scans of what may be shown, until the slate is full or nothing is left."""
        refused: set[Key] = set()
        screens = self._arranging.screens
        for _ in range(ROUNDS):
            if self.filling.missing <= 0:
                return
            groups = self.filling.groups
            within = self._eligibility.within(groups, sensitive=False, without=refused)
            rest = replace(query, k=MOST_FETCH if screens else self.filling.missing)
            lookups = _of_store(source.lookups(rest))
            if within is None or not lookups:
                return
            candidates = source.candidates(rest, self.shared.reader().answer(lookups, within))
            taken = self._take_more(candidates, step)
            refused.update(candidate.key for candidate in candidates)
            if len(candidates) < rest.k or not (taken or screens):
                return

    def _take_more(self, candidates: Sequence[Candidate], step: Step) -> int:
        """What comes later is worth no more than what came before."""
        items = self.filling.items
        most = min((item.score for item in items), default=float("inf"))
        lower = [replace(one, score=min(one.score, most)) for one in candidates]
        return self._take(self._order(step, [(step.offers[0][0], lower)]), step)

    def _may_be_sensitive(self, step: Step) -> bool:
        """Only where the shopper asked for the popular products of that very category."""
        asked = self.ask.kind == "popular" and bool(self.ask.of.category)
        return asked and step.sources == ("popular_in_category",)


def is_idle(name: str, shared: Shared) -> bool:
    """Is it known, without reading, that no run is live that this source cannot do without?"""
    needs, live = getattr(SOURCES[name], "needs", ""), shared.pointers
    return bool(needs) and live is not None and needs not in live


def is_sparing(name: str) -> bool:
    """A blend of many lookups makes do with the neighbours that were worked out ahead."""
    source = SOURCES[name]
    return getattr(source, "is_sparing", source.rung is Rung.PERSONAL)


def store_settings(shared: Shared, of: str) -> Mapping[str, str]:
    """What the store of the live run of kind `of` wants set while it is asked."""
    run = shared.run(of)
    if run is None:
        return {}
    store: Store | Tuned = backends.store(run.store)
    return store.settings(run.handle) if hasattr(store, "settings") else {}


def _of_store(lookups: Sequence[Lookup]) -> list[Lookup]:
    """The vectors among `lookups`: the shopper's own, else those of products."""
    nearest: list[Lookup] = [one for one in lookups if isinstance(one, Nearest)]
    return nearest or [one for one in lookups if isinstance(one, Neighbours)]
