"""A blend that a page can serve: members cut short, a ranker that learnt from just these, popularity as of a moment.

Beside `ranking.blend`, which ranks what an evaluation asks with whole matrices, everything here goes through
`ranking.votes`, as a page does. Only what is new to a shopper is learnt and told.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.exceptions import NotEnoughData
from reco_plugin.ranking import contest, folds, members
from reco_plugin.ranking.blend import ASKED, OTHERS
from reco_plugin.ranking.contest import Choice, Lists, Terms
from reco_plugin.ranking.evidence import FORMS, PLAIN, forms
from reco_plugin.ranking.facts import TrendFacts
from reco_plugin.ranking.folds import Fold
from reco_plugin.ranking.forest import Forest
from reco_plugin.ranking.members import DECAYS, Members, Traits
from reco_plugin.ranking.packed import Packed, pack
from reco_plugin.ranking.rankers import AUTO, LAMBDAMART, LINEAR
from reco_plugin.ranking.requests import Requests
from reco_plugin.ranking.votes import DIGITS, Recipe, Votes, features, told, votes
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.transitions import required
from reco_plugin.trainers.trending import Trending
from reco_plugin.types import Features, Floats, Ints

WANTED = tuple(f"wanted much lately {form}" for form in FORMS)
LEAST = 1e-3
"""What anything taken is worth at least."""
TRENDING = 50
"""Items that are candidates for everybody: those wanted most lately."""
FEW = 200
"""Requests of a cut in time below which each shopper's newest event is asked instead."""
OPENLY = frozenset({"content"})
"""Members who learn from the catalogue and not from shoppers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How to learn."""

    newest: int = 60
    """Events of a shopper whose products are asked, the newest."""
    best: int = 30
    """Of each item's list, by each member."""
    fewest: int = 0
    """Shoppers who must hold a pair before a list may tell of it."""
    ranker: str = AUTO
    """'linear', 'lambdamart' or 'auto'; see `contest.chosen`."""
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What was known at a moment."""

    packed: Packed
    names: tuple[str, ...]
    """Of the columns of `facts`."""
    facts: Floats
    """(n_items, len(names)) what is known of an item, whoever asks, beside the median item."""
    trending: Ints
    """Items most wanted lately, best first."""
    seconds: Mapping[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """What is published."""

    packed: Packed
    recipe: Recipe
    prior: Floats
    """(n_items,) what speaks for an item, whoever asks."""
    trending: Ints

    def beside(self) -> dict[int, float]:
        """Candidates for everybody."""
        return {item: float(self.prior[item]) for item in self.trending.tolist()}

    def votes(
        self, products: Sequence[int], steps: Sequence[int], beside: Mapping[int, float]
    ) -> Votes:
        """Of a shopper's products, newest first."""
        return votes(
            [self.packed.heard(item, self.prior) for item in products],
            steps,
            met=frozenset(products),
            beside=beside,
            members=len(self.packed.members),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Learnt:
    """Both ends of a learning."""

    trial: Served
    """From what came before the moment, to be judged on what came after."""
    final: Served
    """From everything."""
    facts: dict[str, float]
    """The final ranker's weights of what is known of an item."""
    requests: int
    """The final ranker learnt from."""
    seconds: dict[str, float]
    notes: tuple[str, ...]


@dataclass(kw_only=True, eq=False)
class _Lists:
    """What was on offer to many requests."""

    features: list[Floats] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    taken: list[npt.NDArray[np.float64]] = field(default_factory=list)


def learn(
    whole: Histories,
    moment: int,
    *,
    features: Features | None,
    worth: sparse.csr_matrix | None = None,
    settings: Settings,
) -> Learnt:
    """Learn from what came before `moment` (µs), and again from everything.

    The trial's ranker learns from a cut of what came before the moment, the final one from that and from
    what came after it. Of several things one shopper took, those of more `worth` (rows of `whole`, n_items) count
    more; all alike, by default. Raises NotEnoughData when nothing happened before.
    """
    began = time.perf_counter()
    assert whole.at is not None
    past = required(whole.keep(whole.at < moment))
    of = _traits(whole, features)
    inner = _cut(past)
    first = known(inner.train, of, features, settings) if len(inner.requests) else None
    then = known(past, of, features, settings, moment)
    seen = list(_asked(inner, first, then, worth, settings))
    tried = _choice(seen, then, settings)
    trial = _served(then, tried, settings)
    late = folds.after_moment(whole, moment=moment)
    seen += _asked(late, then, then, worth, settings)
    now = known(whole, of, features, settings)
    judged = replace(settings, ranker=LINEAR if tried.trees is None else LAMBDAMART)
    found = _choice(seen, now, judged)  # by the ranker that is judged
    weights = found.linear.weights
    return Learnt(
        trial=trial,
        final=_served(now, found, settings),
        facts=dict(zip(now.names, weights[-len(now.names) :].tolist(), strict=True)),
        requests=sum(len(one.counts) for one in seen),
        seconds={**now.seconds, "whole": time.perf_counter() - began},
        notes=(*now.notes, *([tried.note] if tried.note else [])),
    )


def _traits(whole: Histories, given: Features | None) -> Traits:
    """Everyone has a past and a clock; whether there are baskets and features is read from the log."""
    asked = Requests(past=whole, now=np.zeros(len(whole), np.int64), exclude=whole.sets())
    return members.traits(whole, asked, given)


def _cut(past: Histories) -> Fold:
    """The newest fifth, by time; each shopper's newest event where that asks too few."""
    fold = folds.after_moment(past)
    return fold if len(fold.requests) >= FEW else folds.last_event(past, fewest=2)


# --- what is known -------------------------------------------------------------------------------


def known(
    past: Histories,
    of: Traits,
    given: Features | None,
    settings: Settings,
    moment: int | None = None,
) -> Known:
    """Fit all members, cut their lists short, count what is wanted. Raises NotEnoughData."""
    fitted = Members()
    learnt = members.learn(
        past, of, fitted, features=given, seed=settings.seed, threads=settings.threads
    )
    if not learnt:
        raise NotEnoughData("; ".join(fitted.notes))
    packed = pack(
        {name: found.matrix for name, found in learnt.items()},
        settings.best,
        past=past,
        fewest=settings.fewest,
        openly=OPENLY,
    )
    names, facts, trending = _facts(past, moment)
    return Known(
        packed=packed,
        names=names,
        facts=facts,
        trending=trending,
        seconds=fitted.seconds,
        notes=tuple(fitted.notes),
    )


def _facts(past: Histories, moment: int | None) -> tuple[tuple[str, ...], Floats, Ints]:
    """What is known of each item at a moment (after the last event, by default)."""
    assert past.at is not None
    trends = TrendFacts(Trending().fit(past), timed=True)
    at = int(past.at.max()) + 1 if moment is None else moment
    nobody = past.select(np.zeros(1, np.int64))
    asked = Requests(past=nobody, now=np.array([at], np.int64))
    items = np.arange(past.n_items)
    wanted = trends(asked, np.zeros(past.n_items, np.int64), items)
    listed = trends.lists(asked).toarray()[0].astype(np.float32)
    share = listed / max(float(listed.max(initial=0.0)), 1e-12)
    best = np.argsort(-share, kind="stable")[:TRENDING]
    facts = np.hstack([wanted, forms(share).T]).astype(np.float32)
    facts -= np.median(facts, axis=0)
    return (*trends.names, *WANTED), facts, best[share[best] > 0].astype(np.int32)


# --- what the ranker learns from -----------------------------------------------------------------


def newest(past: Histories, most: int) -> Histories:
    """Of the `most` newest events of each row each item once, where it was met last, oldest first."""
    past = past.keep(past.events_back < most)
    cells = past.rows * past.n_items + past.items
    last = np.unique(cells[::-1], return_index=True)[1]
    kept = np.zeros(len(cells), np.bool_)
    kept[len(cells) - 1 - last] = True
    return past.keep(kept)


def _asked(
    fold: Fold,
    before: Known | None,
    like: Known,
    worth: sparse.csr_matrix | None,
    settings: Settings,
) -> Iterator[_Lists]:
    """What was on offer in the fold to those who took something of it, a draw of the rest beside it."""
    if before is None or before.packed.members != like.packed.members:
        return
    if before.names != like.names or not len(fold.requests):
        return
    random = np.random.default_rng(settings.seed)
    if len(fold.requests) > ASKED:
        fold = fold.select(np.sort(random.choice(len(fold.requests), ASKED, replace=False)))
    bare = Served(
        packed=before.packed,
        recipe=_recipe(before, np.zeros(0), None, settings),
        prior=np.zeros(before.packed.n_items, np.float32),
        trending=before.trending,
    )
    found = _Lists()
    past, beside = newest(fold.requests.past, settings.newest), bare.beside()
    for row in range(len(past)):
        part = slice(int(past.starts[row]), int(past.starts[row + 1]))
        products = past.items[part][::-1].tolist()
        offered = bare.votes(products, past.steps_back[part][::-1].tolist(), beside)
        _note(found, offered, _taken(fold, row, worth), before, random)
    yield found


def _taken(fold: Fold, row: int, worth: sparse.csr_matrix | None) -> dict[int, float]:
    """What a shopper took, and what that is worth."""
    items = fold.wanted[row].indices.tolist()
    if worth is None or fold.shoppers is None:
        return dict.fromkeys(items, 1.0)
    own = worth[int(fold.shoppers[row])]
    values = dict(zip(own.indices.tolist(), own.data.tolist(), strict=True))
    return {item: max(values.get(item, 0.0), LEAST) for item in items}


def _note(
    found: _Lists,
    offered: Votes,
    wanted: Mapping[int, float],
    before: Known,
    random: np.random.Generator,
) -> None:
    taken = np.array([wanted.get(item, 0.0) for item in offered.candidates])
    if not taken.any():
        return
    odds = min(OTHERS / len(taken), 1.0)
    kept = (taken > 0) | (random.random(len(taken)) < odds)
    items = np.asarray(offered.candidates)[kept]
    rows = np.hstack([features(offered, DECAYS)[kept], before.facts[items]])
    found.features.append(rows)
    found.counts.append(len(rows))
    found.taken.append(taken[kept])


def _choice(seen: Sequence[_Lists], like: Known, settings: Settings) -> Choice:
    """Weights of all features, those of members first; a plain blend where nothing was taken."""
    n_votes = len(like.packed.members) * len(DECAYS) * len(FORMS)
    prior = np.zeros(n_votes + len(like.names))
    prior[0 : n_votes : len(FORMS)] = PLAIN * len(FORMS) / n_votes
    nothing = np.zeros((0, len(prior)), np.float32)
    lists = Lists(
        features=np.concatenate([nothing, *(part for one in seen for part in one.features)]),
        counts=np.array([count for one in seen for count in one.counts], np.int64),
        taken=np.concatenate([np.zeros(0), *(part for one in seen for part in one.taken)]),
    )
    terms = Terms(
        laid=_Laid(votes=n_votes),
        columns=_recipe(like, np.zeros(0), None, settings).columns,
        prior=prior,
        ranker=settings.ranker,
        seed=settings.seed,
        threads=settings.threads,
    )
    return contest.chosen(lists, terms)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Laid:
    """Features as trees are told of them on a page, which knows all facts of an item as one number."""

    votes: int

    def __call__(self, found: Floats, weights: npt.NDArray[np.float64]) -> Floats:
        by = weights.astype(np.float32)
        prior = found[:, self.votes :] @ by[self.votes :]
        linear = found[:, : self.votes] @ by[: self.votes] + prior
        return told(found[:, : self.votes : len(FORMS)], prior, linear)


def _recipe(
    like: Known, weights: npt.NDArray[np.float64], trees: Forest | None, settings: Settings
) -> Recipe:
    return Recipe(
        members=like.packed.members,
        decays=DECAYS,
        weights=weights.astype(np.float32),
        newest=settings.newest,
        trees=trees,
    )


def _served(like: Known, choice: Choice, settings: Settings) -> Served:
    weights = choice.linear.weights
    n_votes = len(weights) - len(like.names)
    prior = like.facts @ weights[n_votes:].astype(np.float32)
    return Served(
        packed=like.packed,
        recipe=_recipe(like, weights[:n_votes], choice.trees, settings),
        prior=np.round(prior, DIGITS).astype(np.float32),
        trending=like.trending,
    )
