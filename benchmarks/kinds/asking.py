"""Puts each case to the product as a page would, and the floor beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.test import override_settings

from benchmarks.kinds.figures import Answer, K, Line, line
from benchmarks.kinds.questions import Case, Question
from reco_plugin.capture import interests
from reco_plugin.models import Interest
from reco_plugin.serving import recommend
from reco_plugin.serving.facets import recommend_facets
from reco_plugin.types import Slate

NAMES = 3
"""Categories asked for: a shop shows few."""


class CannotAsk(Exception):
    """This kind is not served here; the message says why."""


def measure(question: Question, catalogue: int, tick: Callable[[], object]) -> Line:
    """Raises CannotAsk."""
    if not question.cases:
        raise CannotAsk("no case: " + (question.note or "nobody did that after the split"))
    k = NAMES if question.facet else K
    ours, floor = [], []
    bare = _Floor(question)
    with override_settings(**question.settings):
        for case in question.cases:
            ours.append(
                _names(question.facet, case) if question.facet else _asked(question.kind, case)
            )
            floor.append(bare(case))
            tick()
    if not any(answer.keys for answer in ours):
        raise CannotAsk(f"every list is empty: {_why(question)}")
    return line(
        question.kind,
        question.asked,
        [case.wanted for case in question.cases],
        ours,
        floor,
        name=question.name,
        floor_name=question.floor,
        catalogue=len({name for case in question.cases for name in case.wanted})
        if question.facet
        else catalogue,
        k=k,
        note=question.note,
    )


def slate(kind: str, case: Case, **more: Any) -> Slate:
    """As a page asks. What the shopper says they like they have said before."""
    if case.interests and case.shopper is not None:
        _declare(case)
    options: dict[str, Any] = {"shopper": case.shopper, "limit": K, "record": False, **more}
    if case.product is not None:
        options["product"] = case.product
    if case.cart:
        options["cart"] = case.cart
    return recommend(kind, **options)


def _declare(case: Case) -> None:
    assert case.shopper is not None
    Interest.objects.bulk_create(
        (
            Interest(shopper=case.shopper.id, facet=facet, value=value)
            for facet, value in case.interests
        ),
        ignore_conflicts=True,
    )
    interests.written_here.set()  # as it is where a shopper declares one


def _asked(kind: str, case: Case) -> Answer:
    found = slate(kind, case)
    return Answer(
        keys=[item.key for item in found], own=sum(not item.is_fallback for item in found)
    )


def _names(facet: str, case: Case) -> Answer:
    found = recommend_facets(facet, shopper=case.shopper, limit=NAMES)
    names = [getattr(one, "name", one) for one in found]
    return Answer(keys=names, own=len(names))


def _why(question: Question) -> str:
    if question.facet:
        return "no taste is known"
    return "; ".join(slate(question.kind, question.cases[0]).notes)


class _Floor:
    """The floor's list for a case: one that is the same for all, or a kind asked the same way."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._same: list[Any] = []

    def __call__(self, case: Case) -> list[Any]:
        fixed: Mapping[str, Any] = self._question.lists
        out = {case.product, *case.cart}
        if case.product in self._question.beside:
            return list(self._question.beside[case.product])[:K]
        if self._question.floor in fixed:
            return [key for key in fixed[self._question.floor] if key not in out][:K]
        if case.shopper is not None:
            answer = slate(self._question.floor, Case(wanted=case.wanted, shopper=case.shopper))
            return [item.key for item in answer]
        self._same = self._same or [
            item.key for item in slate(self._question.floor, Case(wanted=case.wanted), limit=100)
        ]
        return [key for key in self._same if key not in out][:K]
