"""What a blend learnt, in words and bars: whom it believes, and what speaks for a product whoever asks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin.admin import charts, figures
from reco_plugin.admin.run_facts import part
from reco_plugin.models import Run
from reco_plugin.ranking.evidence import FORMS, LITTLE
from reco_plugin.ranking.forest import Forest

MEMBERS = {
    "sequential": gettext_lazy("What was taken soon after it"),
    "itemknn": gettext_lazy("Taken by the same shoppers"),
    "ease": gettext_lazy("Taken by the same shoppers, others accounted for"),
    "together": gettext_lazy("In the same basket, others accounted for"),
    "beside": gettext_lazy("In the same basket"),
    "content": gettext_lazy("Alike by its features"),
}
FACTS = {
    "wanted": gettext_lazy("How many ever wanted it"),
    "wanted 7 days": gettext_lazy("How many wanted it in 7 days"),
    "wanted 30 days": gettext_lazy("How many wanted it in 30 days"),
    "wanted 90 days": gettext_lazy("How many wanted it in 90 days"),
    "idle 7 days": gettext_lazy("Nobody wanted it in 7 days"),
    "idle 30 days": gettext_lazy("Nobody wanted it in 30 days"),
    "idle 90 days": gettext_lazy("Nobody wanted it in 90 days"),
}
TOLD = {
    "linear": gettext_lazy("What the sources say in all"),
    "prior": gettext_lazy("What speaks for it, whoever asks"),
    "sources": gettext_lazy("How many sources know it"),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One source, or one fact."""

    title: Any
    cells: list[str]
    value: float
    part: float
    """Of the largest, by size."""

    @property
    def words(self) -> str:
        return figures.decimal(self.value, 2)

    @property
    def bar(self) -> SafeString:
        return charts.bar(self.part)


@dataclass(frozen=True, kw_only=True)
class Told:
    paces: list[str]
    """What the cells of a member are of."""
    members: list[Row]
    facts: list[Row]
    trees: int = 0
    """That put in order what the weights leave; 0 where the ranker is linear alone."""
    believed: list[Row] = field(default_factory=list)
    """What the trees go by, as shares of what they gained in training."""


def told(run: Run) -> Told | None:
    """None for a run that is no blend, or one that learnt nothing.

    A member's figure is what the first of its list gains over somebody it does not know, in logarithms of the
    odds: 1 makes a product 2.7 times as likely to be taken.
    """
    members, decays = part(run.config, "recipe", "members"), part(run.config, "recipe", "decays")
    weights = part(run.config, "recipe", "weights")
    if not _is_whole(members, decays, weights):
        return None
    gained = _credits(weights, len(decays))
    rows = [(MEMBERS.get(name, name), found) for name, found in zip(members, gained, strict=True)]
    facts = part(run.config, "facts")
    forest = _forest(run)
    named = facts.items() if isinstance(facts, Mapping) else ()
    return Told(
        paces=[_pace(float(decay)) for decay in decays],
        members=_rows(rows),
        facts=_rows(
            [(FACTS[name], [float(value)]) for name, value in named if name in FACTS and value]
        ),
        trees=len(forest) if forest else 0,
        believed=_believed(forest, members) if forest else [],
    )


def _forest(run: Run) -> Forest | None:
    """None where there is none that could be served."""
    try:
        return Forest.of_json(part(run.config, "recipe", "trees"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _believed(forest: Forest, members: Sequence[str]) -> list[Row]:
    """By source, all paces of forgetting together."""
    found: dict[str, float] = {}
    for column, share in zip(forest.columns, forest.believed, strict=False):
        name = next((name for name in members if column.startswith(f"{name} ")), column)
        found[name] = found.get(name, 0.0) + share
    titles = {**MEMBERS, **TOLD}
    rows = [(titles.get(name, name), [share * 100]) for name, share in found.items() if share]
    return _rows(rows)


def _is_whole(members: Any, decays: Any, weights: Any) -> bool:
    if not all(isinstance(value, list) for value in (members, decays, weights)):
        return False
    known = all(figures.is_number(value) for value in (*decays, *weights))
    return bool(weights) and known and len(weights) == len(members) * len(decays) * len(FORMS)


def _credits(weights: Sequence[float], paces: int) -> list[list[float]]:
    """Per member and pace, the share, root and logarithm of 1 beside those of 0."""
    gain = (1.0, 1.0, math.log1p(LITTLE) - math.log(LITTLE))
    each = [
        sum(weight * by for weight, by in zip(weights[at : at + 3], gain, strict=True))
        for at in range(0, len(weights), len(FORMS))
    ]
    return [each[at : at + paces] for at in range(0, len(each), paces)]


def _rows(found: Sequence[tuple[Any, list[float]]]) -> list[Row]:
    sums = [sum(values) for _title, values in found]
    most = max(map(abs, sums), default=0.0) or 1.0
    rows = [
        Row(
            title=title,
            cells=[figures.decimal(value, 2) for value in values],
            value=whole,
            part=abs(whole) / most,
        )
        for (title, values), whole in zip(found, sums, strict=True)
    ]
    return sorted(rows, key=lambda row: -row.value)


def _pace(decay: float) -> str:
    if decay >= 1:
        return _("all alike")
    return _("each older one %s of the newer") % figures.share(decay, 0)
