"""What the slates of one page share: whatever was read for one is known to the others.

It lives on the request, for as long as that, and for one shopper of one site. Without a request each
slate has its own. Nothing here is kept for another page: live rows and history are of this moment.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import Error

from reco_plugin import backends, clock, conf
from reco_plugin.capture import interests
from reco_plugin.capture.lifecycle import state_of
from reco_plugin.pipeline import LiveRun, Reader
from reco_plugin.pipeline.exposure import shown
from reco_plugin.pipeline.facts import read_facts
from reco_plugin.retrieval.base import VECTORS
from reco_plugin.serving import pointers
from reco_plugin.serving.asking import Circumstances
from reco_plugin.serving.keys import key_of
from reco_plugin.serving.past import Past, bought_since
from reco_plugin.serving.pointers import Pointers
from reco_plugin.stores.base import Lending, PastEvent
from reco_plugin.types import Floats, ItemFacts, Key, Shopper

PURCHASES = 100
"""Purchases that 'buy it again' looks back on."""

MOST_LEFT_OUT = 2_000
"""More products than this are left out by the statement that reads live rows."""

Live = tuple[Any, Key]
"""A live product, and the key of its group."""


@dataclass(eq=False)
class Shared:
    """Everything that reads here may raise what a database raises: ask within a bounded window."""

    using: str
    site: int
    shopper: Shopper | None
    pointers: Pointers | None = None
    groups: set[Key] = field(default_factory=set)
    """Groups the page shows already."""
    allowed: dict[int, Any] = field(default_factory=dict)
    """What the catalogue allows for this request, by the catalogue's id."""
    rows: dict[object, dict[Key, Live | None]] = field(default_factory=dict)
    """Live rows that were read, by what they were read for."""
    given_up: set[str] = field(default_factory=set)
    """Sources that timed out: they are not tried for other slates of the page."""
    past: Past | None = None
    by_taste: bool = True
    """May anything that shares this go by the shopper's taste? Where nothing does, the past is read
    without vectors; whoever wants them after all reads it once more."""
    broken: dict[str, Exception] = field(default_factory=dict)
    """What could not be read for this page, and why: 'runs', 'past', 'facts', 'vectors', 'looks',
    'shown', 'live'."""
    random: random.Random = field(default_factory=random.Random)
    _reader: Reader | None = None
    _vector: Floats | None = None
    _has_vector: bool = False
    _bought: tuple[PastEvent, ...] | None = None
    _interests: tuple[tuple[str, str], ...] | None = None
    _facts: dict[Key, ItemFacts] = field(default_factory=dict)
    _no_facts: set[Key] = field(default_factory=set)
    _vectors: dict[str, dict[Key, Floats]] = field(default_factory=dict)
    """By kind of run, and product."""
    _no_vectors: dict[str, set[Key]] = field(default_factory=dict)
    _shown: dict[Key, int] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """May anything be on record about this shopper?"""
        return self.shopper is not None and not self.shopper.is_new

    @property
    def personal(self) -> LiveRun | None:
        return self.run("personal")

    def run(self, kind: str) -> LiveRun | None:
        """The live run of a kind, as far as that is known without reading; see `reader`."""
        return self.pointers.get(kind) if self.pointers else None

    def reader(self) -> Reader:
        """Reads which runs are live, unless that is known; what failed once is told again, not tried again:
        nobody is to wait for it twice on a page, and outside a window for ever."""
        if self._reader is None:
            live = self.pointers = self.pointers or self._live_runs()
            model = backends.catalog().model
            self._reader = Reader(
                stores={of: backends.store(live[of].store) for of in VECTORS if of in live},
                runs=live,
                to_key=lambda value: key_of(model, value),
                using=self.using,
                site=self.site,
            )
        return self._reader

    def _live_runs(self) -> Pointers:
        self.check("runs")
        try:
            return pointers.read(self.using, self.site)
        except Error as error:
            self.broken["runs"] = error
            raise

    def check(self, what: str) -> None:
        """Raise what kept this from being read for the page: it is not tried again."""
        if (error := self.broken.get(what)) is not None:
            raise error

    def look_again(self) -> None:
        """Read which runs are live, and forget what was read of those that were."""
        self.pointers = pointers.read(self.using, self.site)
        self._reader = self.past = self._vector = None
        self._has_vector = False
        self._vectors.clear()
        self._no_vectors.clear()

    # --- the shopper -------------------------------------------------------------------------

    def read_past(self) -> Past | None:
        """The newest RECO_HISTORY events, once; None where nothing can be on record."""
        if self.past is None and self.shopper is not None and self.is_known:
            self.check("past")
            limit = conf.settings.HISTORY
            reader = self.reader()
            read = reader.history if self.by_taste else reader.events
            history = read(self.shopper.id, limit)
            whole = len(history.events) < limit
            self.past = Past(history=history, whole=whole, has_vectors=self.by_taste)
        return self.past

    def read_taste(self) -> Past | None:
        """The past with vectors."""
        past = self.read_past()
        if past is not None and not past.has_vectors and self.shopper is not None:
            history = self.reader().history(self.shopper.id, conf.settings.HISTORY)
            self.past = past = replace(past, history=history, has_vectors=True)
        return past

    def complete_past(self) -> None:
        """Read what else keeps products out, so that no later statement need look for it."""
        past = self.read_past()
        if past is None or past.whole or self.shopper is None:
            return
        older = self.reader().left_out(self.shopper.id, bought_since(), MOST_LEFT_OUT + 1)
        if len(older) <= MOST_LEFT_OUT:
            self.past = replace(past, whole=True, older=tuple(older))

    def vector(self) -> Floats | None:
        """(d,) the shopper's taste: the very same array each time."""
        if not self._has_vector:
            past, run = self.read_taste(), self.reader().personal
            self._vector = past.vector(run, clock.now()) if past and run else None
            self._has_vector = True
        return self._vector

    def bought(self) -> tuple[PastEvent, ...]:
        """Purchases further back than the past; nothing where the past tells it all."""
        past = self.read_past()
        if self._bought is None and past is not None and (past.older or not past.whole):
            assert self.shopper is not None
            self._bought = self.reader().purchases(self.shopper.id, PURCHASES)
        return self._bought or ()

    def interests(self) -> tuple[tuple[str, str], ...]:
        """What they said they like; nothing is read where nobody has said anything."""
        self.reader()
        some = self.pointers is not None and self.pointers.has_interests
        if not some and not interests.written_here.is_set():
            return ()
        if self._interests is None:
            self._interests = interests.of(self.shopper, self.site)
        return self._interests

    def read_for(self, fields: Collection[str]) -> None:
        """Read what a source goes by of the shopper: `fields` of a Query."""
        if "bought" in fields:
            self.bought()
        if "interests" in fields:
            self.interests()

    def shown(self, keys: Collection[Key]) -> Mapping[Key, int]:
        """How often each was shown to the shopper lately, without a click."""
        missing = set(keys) - self._shown.keys()
        if missing and self.shopper is not None and self.is_known:
            self.check("shown")
            self._shown |= dict.fromkeys(missing, 0) | dict(
                shown(self.shopper.id, missing, self.using)
            )
        return self._shown

    # --- products ----------------------------------------------------------------------------

    def facts(self, keys: Iterable[Key]) -> Mapping[Key, ItemFacts]:
        """What the last sync knows of `keys` (and of others that were asked before)."""
        missing = [key for key in keys if not self.knows_facts(key)]
        if missing:
            self.check("facts")
            found = read_facts(missing, self.using)
            self._facts |= found
            self._no_facts.update(key for key in missing if key not in found)
        return self._facts

    def knows_facts(self, key: Key) -> bool:
        """Need nothing be read to know the facts of `key`?"""
        return key in self._facts or key in self._no_facts

    def vectors(self, keys: Iterable[Key]) -> Mapping[Key, Floats]:
        """The live personal run's vectors of `keys`; none where the store lends none."""
        return self._lent("personal", keys, "vectors")

    def looks(self, keys: Iterable[Key]) -> Mapping[Key, Floats]:
        """The live visual run's unit vectors of those of `keys` that have a picture."""
        return self._lent("visual", keys, "looks")

    def _lent(self, of: str, keys: Iterable[Key], what: str) -> Mapping[Key, Floats]:
        reader = self.reader()
        known = self._vectors.setdefault(of, {})
        unknown = self._no_vectors.setdefault(of, set())
        missing = [key for key in keys if key not in known and key not in unknown]
        run, store = reader.runs.get(of), reader.stores.get(of)
        if missing and run is not None and isinstance(store, Lending):
            self.check(what)
            found = store.vectors_of(run.handle, missing)
            known |= found
            unknown.update(key for key in missing if key not in found)
        return known


def shared_of(found: Circumstances) -> Shared:
    """What this page shares; made anew where there is no request to keep it on."""
    shopper = found.shopper
    made = Shared(
        using=found.using,
        site=found.site,
        shopper=shopper,
        pointers=pointers.recall(found.using, found.site),
    )
    if found.request is None:
        return made
    kept = state_of(found.request).shared
    mine: Shared = kept.setdefault((found.using, found.site, shopper and shopper.id), made)
    return mine
