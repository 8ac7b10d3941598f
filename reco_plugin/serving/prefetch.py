"""What the slates of a page need, read together before they are filled.

The ladder then finds most of it already read, and reads what is still missing as it would without.
What cannot be read here is told to whoever needs it; nobody tries it again on this page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from types import MappingProxyType

from django.db import Error

from reco_plugin import conf
from reco_plugin.breaker import State, breaker
from reco_plugin.exceptions import StoreError
from reco_plugin.outages import is_outage
from reco_plugin.pipeline.lookups import subject
from reco_plugin.retrieval import SOURCES, Lookup, Nearest, Neighbours
from reco_plugin.serving.arranging import Wanted
from reco_plugin.serving.ladder import Ladder
from reco_plugin.serving.reads import Allowance, Unavailable, bounded, is_lost
from reco_plugin.serving.rungs import NothingToGoBy, is_sparing, store_settings
from reco_plugin.serving.shared import Shared
from reco_plugin.serving.ways import Step
from reco_plugin.types import Candidate, Key

Turn = tuple[Ladder, Step]
OfVectors = Nearest | Neighbours
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def prefetch(ladders: Sequence[Ladder], shared: Shared) -> None:
    """Read what `ladders` need for their first tiles. Database errors are kept, not raised."""
    climbing = [ladder for ladder in ladders if ladder.ask.steps and ladder.ask.limit > 0]
    if climbing:
        _Prefetch(climbing, shared).run()


class _Prefetch:
    def __init__(self, ladders: Sequence[Ladder], shared: Shared) -> None:
        self._ladders = ladders
        self._shared = shared
        self._allowance = Allowance(conf.settings.STATEMENT_TIMEOUT_MS)

    def run(self) -> None:
        """Stage by stage; each stage is one statement for the whole page, where it is any."""
        try:
            if self._try(self._shared.reader) is not None:
                return  # nothing can be read: further tries, and outside a window, would only wait
            self._about_the_page()
            turns = self._offered()
            self._read_material(turns)
            self._read_live(turns)
        except (Unavailable, _Aborted):
            pass  # each slate will find out, and say so
        finally:
            for ladder in self._ladders:
                ladder.filling.was_answered = self._allowance.answered > 0

    def _about_the_page(self) -> None:
        """The shopper's past, and the page's product where something is looked up by its category."""
        firsts = [(ladder, ladder.ask.steps[0]) for ladder in self._ladders]
        looking_back = [
            name
            for ladder, step in firsts
            for name in step.sources
            if ladder.rungs.looks_back(name)
        ]
        if looking_back:
            self._shared.by_taste = self._shared.by_taste and self._goes_by_taste()
            self._once("past", [None], lambda _: self._shared.read_past())
            self._try(self._shared.complete_past)
        for name in looking_back:
            self._try(partial(self._shared.read_for, SOURCES[name].goes_by))
        self._read_nearby(firsts)

    def _goes_by_taste(self) -> bool:
        names = {name for one in self._ladders for step in one.ask.steps for name in step.sources}
        return any("vector" in SOURCES[name].goes_by for name in names)

    def _read_nearby(self, turns: Iterable[Turn]) -> None:
        anchors = [key for ladder, step in turns for key in ladder.rungs.nearby(step)]
        self._once("facts", anchors, self._shared.facts)

    # --- candidates ----------------------------------------------------------------------------

    def _offered(self) -> list[Turn]:
        """Turns whose candidates are known: the first of each slate, and what fills up where those
        seem too few."""
        turns: list[Turn] = []
        wave = [(ladder, ladder.ask.steps[0]) for ladder in self._ladders]
        while wave:
            self._look_up(wave, eager=not turns)
            turns += wave
            following = [turn for ladder, step in wave for turn in self._next(ladder, step)]
            self._read_nearby(following)
            wave = [turn for turn in following if self._is_ready(*turn)]
        return turns

    def _next(self, ladder: Ladder, step: Step) -> Iterable[Turn]:
        """The next step, where it is needed."""
        steps = [each for each in ladder.ask.steps if each is step or not ladder.skips(each)]
        at = steps.index(step) + 1
        if at < len(steps) and not ladder.rungs.has_enough(steps[:at]):
            yield ladder, steps[at]

    def _is_ready(self, ladder: Ladder, step: Step) -> bool:
        """Does it want nothing but lists? The ladder itself sees to others, should it come to that."""
        return all(ladder.rungs.is_ready(name) for name in step.sources)

    def _look_up(self, wave: Sequence[Turn], *, eager: bool) -> None:
        """Read what `wave` looks up, merged; `eager`, with the lists of what may fill up later."""
        asked: list[Lookup] = []
        of_store: list[OfVectors] = []
        for ladder, step in wave:
            for name in step.sources:
                found = self._lookups(ladder, name)
                asked += found
                of_store += _of_store(found, ahead=is_sparing(name))
            if eager:
                asked += [*ladder.rungs.news(), *self._later(ladder)]
        self._read_lists(list(dict.fromkeys(asked)))
        self._read_store(list(dict.fromkeys(of_store)))
        self._read_lists(list(dict.fromkeys(self._following(wave))))
        for ladder, step in wave:
            for name in step.sources:
                reads = getattr(SOURCES[name], "by_taste", False)
                self._try(partial(ladder.rungs.offer, name), reads=reads)

    def _following(self, wave: Sequence[Turn]) -> list[Lookup]:
        """What the answers so far make it worth to look up; nothing as a rule."""
        found: list[Lookup] = []
        for ladder, step in wave:
            for name in step.sources:
                self._try(partial(_add, found, ladder.rungs.following, name), reads=False)
        return found

    def _later(self, ladder: Ladder) -> list[Lookup]:
        names = [name for step in ladder.ask.steps[1:] for name in step.sources]
        ready = [name for name in names if ladder.rungs.is_ready(name)]
        return [one for name in ready for one in self._lookups(ladder, name)]

    def _lookups(self, ladder: Ladder, name: str) -> Sequence[Lookup]:
        found: list[Lookup] = []
        self._try(partial(_add, found, ladder.rungs.lookups, name), reads=False)
        return found

    def _read_lists(self, lookups: Sequence[Lookup]) -> None:
        """All in one statement; where that fails, each kind by itself, so that one costs no other."""
        reader = self._shared.reader()
        if not lookups or self._try(partial(reader.read_lists, lookups)) is None:
            return
        for about in dict.fromkeys(subject(one) for one in lookups):
            alone = [one for one in lookups if subject(one) == about]
            failure = self._try(partial(reader.read_lists, alone))
            if failure is not None:
                reader.broke([about], failure)

    def _read_store(self, lookups: Sequence[OfVectors]) -> None:
        reader = self._shared.reader()
        if not lookups or breaker("vectors", self._shared.using).state is not State.CLOSED:
            return
        for one in lookups:
            settings = store_settings(self._shared, one.of)
            failure = self._try(partial(reader.read_store, [one]), settings)
            if failure is not None:
                reader.broke([(Nearest, one.of), (Neighbours, one.of)], failure)
                return

    # --- what the order goes by, and what may be shown -----------------------------------------

    def _read_material(self, turns: Sequence[Turn]) -> None:
        """Facts, vectors and exposure of all candidates of the page."""
        wanted = Wanted()
        for ladder, step in turns:
            wanted = wanted.joined(ladder.rungs.wanted(step))
        for what, keys, read in (
            ("facts", wanted.facts, self._shared.facts),
            ("vectors", wanted.vectors, self._shared.vectors),
            ("looks", wanted.looks, self._shared.looks),
            ("shown", wanted.shown, self._shared.shown),
        ):
            self._once(what, list(keys), read)

    def _read_live(self, turns: Sequence[Turn]) -> None:
        """Live rows of the candidates that will be tiles, as far as that can be foreseen."""
        before: set[Key] = set()
        asked: dict[object, tuple[Ladder, Step, bool, list[Key]]] = {}
        for ladder in self._ladders:
            steps = [step for other, step in turns if other is ladder]
            for step, candidates in self._foreseen(ladder, steps, before):
                for purpose, shows, keys in ladder.rungs.purposes(step, candidates):
                    asked.setdefault(purpose, (ladder, step, shows, []))[3].extend(keys)
                before.update(one.key for one in candidates[: ladder.ask.limit])
        for ladder, step, shows, keys in asked.values():
            read = partial(ladder.rungs.live, step, shows_bought=shows)
            self._once("live", keys, read)

    def _foreseen(
        self, ladder: Ladder, steps: list[Step], before: set[Key]
    ) -> list[tuple[Step, list[Candidate]]]:
        heads: list[tuple[Step, list[Candidate]]] = []
        self._try(lambda: heads.extend(ladder.rungs.foreseen(steps, before)), reads=False)
        return heads

    def _once(self, what: str, keys: Sequence[Key], read: Callable[[list[Key]], object]) -> None:
        if keys:
            failure = self._try(lambda: read(list(dict.fromkeys(keys))))
            if failure is not None:
                self._shared.broken[what] = failure

    def _try(
        self,
        work: Callable[[], object],
        settings: Mapping[str, str] = NO_SETTINGS,
        *,
        reads: bool = True,
    ) -> Exception | None:
        """An outage is given back. At another mistake (a run that is gone, a source with a bug) all is left
        to the ladders, which know what to do. What `reads` nothing needs no window."""
        try:
            with bounded(self._shared.using, self._allowance, settings) if reads else nullcontext():
                work()
        except NothingToGoBy:
            return None
        except (Error, StoreError) as error:
            if is_lost(self._shared.using):
                raise Unavailable("the connection is lost") from error
            if not is_outage(error):
                raise _Aborted from error
            return error
        except Unavailable:
            raise
        except Exception as error:
            raise _Aborted from error
        return None


class _Aborted(Exception):
    """Something is not as it was thought to be."""


def _add(found: list[Lookup], told: Callable[[str], Iterable[Lookup]], name: str) -> None:
    found += told(name)


def _of_store(lookups: Iterable[Lookup], *, ahead: bool) -> list[OfVectors]:
    """What only the store may know; `ahead`, no more neighbours than lists have."""
    asked = [one for one in lookups if isinstance(one, Nearest | Neighbours)]
    return [one for one in asked if isinstance(one, Nearest) or not ahead]
