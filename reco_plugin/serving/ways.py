"""Which sources fill a slate, and in which turn: what is wanted first, then what fills up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.types import KindShare, PlacementSpec, Rung

POPULAR = IN_CATEGORY, WHOLE = ("popular_in_category", "popular")
"""Sources that many kinds end with; a placement names them itself, as its fallback."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Sources whose candidates are offered together, each for its share."""

    offers: tuple[tuple[KindShare, str], ...]
    is_fallback: bool

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.offers)


def of_kind(kind: str) -> tuple[Step, ...]:
    """The ladder of one kind. Raises KeyError for a kind there is not."""
    return tuple(_alone(kind, KINDS[kind].sources))


def of_placement(spec: PlacementSpec) -> tuple[Step, ...]:
    """Its kinds together, by their first sources; then what else these kinds have; then its fallback.

    Kinds nobody knows are passed over.
    """
    shares = [share for share in spec.kinds if share.kind in KINDS]
    ladders = [_own(share.kind) for share in shares]
    first = tuple((share, ladder[0]) for share, ladder in zip(shares, ladders, strict=True))
    steps = [Step(offers=first, is_fallback=False)] if first else []
    for share, ladder in zip(shares, ladders, strict=True):
        steps += _alone(share.kind, ladder[1:], is_fallback=True)
    for kind in spec.fallback:
        if kind in KINDS:
            steps += _alone(kind, KINDS[kind].sources, is_fallback=True)
    return tuple(_each_once(steps))


def forced(rung: Rung) -> tuple[Step, ...]:
    """Only this rung: a test switch."""
    if rung is Rung.NOTHING:
        return ()
    return tuple(_alone(str(rung), (str(rung),)))


def without_category(steps: Sequence[Step]) -> tuple[Step, ...]:
    """`steps` where there is no category to begin with: what is popular in one is left out where it came
    first, and in a mix the whole shop's list takes its place, lest its share be lost."""
    if not steps or IN_CATEGORY not in steps[0].sources:
        return tuple(steps)
    if len(steps[0].sources) == 1:
        return _begun_by_next(step for step in steps if step.sources != (IN_CATEGORY,))
    offers = tuple(
        (share, WHOLE if name == IN_CATEGORY else name) for share, name in steps[0].offers
    )
    return tuple(_each_once([replace(steps[0], offers=offers), *steps[1:]]))


def _begun_by_next(steps: Iterable[Step]) -> tuple[Step, ...]:
    """What comes first now is no fallback."""
    left = list(steps)
    if left:
        left[0] = replace(left[0], is_fallback=False)
    return tuple(left)


def _own(kind: str) -> tuple[str, ...]:
    sources = KINDS[kind].sources
    own = tuple(name for name in sources if name not in POPULAR)
    return own or sources


def _alone(kind: str, sources: Iterable[str], *, is_fallback: bool = False) -> Iterator[Step]:
    for place, name in enumerate(sources):
        offer = (KindShare(kind=kind), name)
        yield Step(offers=(offer,), is_fallback=is_fallback or place > 0)


def _each_once(steps: Iterable[Step]) -> Iterator[Step]:
    tried: set[str] = set()
    for step in steps:
        if not tried.issuperset(step.sources):
            tried.update(step.sources)
            yield step
