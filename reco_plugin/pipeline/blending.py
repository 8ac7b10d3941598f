"""A learnt blend on a page: rows of its lists in, the ranker's order out. The ranking itself is `ranking.votes`,
by which the blend was learnt and judged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from reco_plugin import conf
from reco_plugin.pipeline.lists import Row
from reco_plugin.ranking import stored
from reco_plugin.ranking.votes import NOBODY, Heard, Recipe, owed_to, ranked, votes
from reco_plugin.retrieval.base import Blended, Lookup, Ranked, Related
from reco_plugin.retrieval.blended import OF
from reco_plugin.stores import keys as shop_keys
from reco_plugin.stores.base import Scored
from reco_plugin.types import Key, id_map

KIND = OF
VOTES = "votes"
"""The fact of a row that holds what each member thinks of each entry; see `ranking.stored`."""
FOR_ALL = Ranked(segment="", of=KIND)
AGAIN = "Learn it anew: python manage.py reco_train --kind blend"
MOST_RUNS = 8
"""Whose recipes a process keeps."""
logger = logging.getLogger(__name__)


def newest(run: int, config: Mapping[str, Any]) -> int:
    """Of how many of a shopper's newest products a page may ask the run; 0 for none.

    None where the shop has switched it off; while its lists tell of pairs of fewer shoppers than
    RECO_MIN_PAIR_SHOPPERS, which may have been raised since; and where what it learnt cannot be read: pages go by
    fixed weights then.
    """
    if not conf.settings.BLEND:
        return 0
    recipe = _recipe(run, config)
    if recipe is None or int(config.get("fewest", 0)) < conf.settings.MIN_PAIR_SHOPPERS:
        return 0
    return recipe.newest


def trouble(config: Mapping[str, Any]) -> str:
    """What of a run's configuration cannot be read, and what pages do without it; '' where all can."""
    return _read(config)[1]


def lookups(lookup: Blended) -> tuple[Lookup, ...]:
    """The rows it is made of."""
    heard = (Related(relation=KIND, key=key, of=KIND) for key in lookup.keys)
    return (*heard, FOR_ALL)


def answered(
    lookup: Blended,
    *,
    run: int,
    config: Mapping[str, Any],
    rows: Mapping[Key, Row],
    beside: Row | None,
    to_key: Callable[[Any], Key | None],
) -> list[Scored]:
    """The best `lookup.k`, best first; none of a run that cannot be read. `rows` are those of its products that
    have a list."""
    recipe = _recipe(run, config)
    if recipe is None:
        return []
    keys = lookup.keys[: recipe.newest]
    raw = dict(zip(keys, shop_keys.to_json(id_map(keys)), strict=True))
    found = votes(
        [_heard(run, rows.get(key), len(recipe.members)) for key in keys],
        lookup.steps[: recipe.newest],
        met=frozenset(raw.values()),
        beside=_beside(beside),
        members=len(recipe.members),
    )
    places, scored = ranked(recipe, found, lookup.k)
    owed = owed_to(recipe, found, places)
    return [
        Scored(key=key, score=float(scored[place]), beside=None if at == NOBODY else keys[at])
        for place, at in zip(places, owed, strict=True)
        if (key := to_key(found.candidates[place])) is not None
    ]


def _heard(run: int, row: Row | None, members: int) -> Heard | None:
    """None for a product without a list, and for one whose list cannot be read, which is logged once for each run
    by each process: the others are enough to rank by."""
    if row is None:
        return None
    keys, prior, facts = row.entries()
    if not keys:
        return None
    try:
        values = stored.read(str(facts[VOTES]), members)
        if not len(keys) == len(prior) == values.shape[1]:
            raise ValueError(f"{len(keys)} products, {values.shape[1]} numbers of each member")
    except (KeyError, TypeError, ValueError) as error:
        if run not in _told_of:
            _told_of.add(run)
            logger.error("Blend run %s: a list cannot be read (%r). %s", run, error, AGAIN)
        return None
    return Heard(keys=keys, values=values, prior=prior)


def _beside(row: Row | None) -> dict[Any, float]:
    if row is None:
        return {}
    keys, prior, _facts = row.entries()
    return dict(zip(keys, prior, strict=False))


_told_of: set[int] = set()
"""Runs whose broken lists were logged."""

# --- what was learnt -----------------------------------------------------------------------------

_known: dict[int, tuple[Any, Recipe | None]] = {}
"""By run: its configuration, and what was read of it."""


def forget() -> None:
    """Read all anew."""
    _known.clear()
    _told_of.clear()


def _recipe(run: int, config: Mapping[str, Any]) -> Recipe | None:
    """Read once by each process, and again where it has changed; what is amiss is logged as often."""
    known = _known.get(run)
    if known is None or (known[0] is not config and known[0] != config):
        recipe, amiss = _read(config)
        if amiss:
            logger.error("Blend run %s: %s", run, amiss)
        if len(_known) >= MOST_RUNS:
            _known.clear()
        _known[run] = known = (config, recipe)
    return known[1]


def _read(config: Mapping[str, Any]) -> tuple[Recipe | None, str]:
    """The recipe and what is amiss. Trees that cannot be read are left out: the linear ranker stands beside them."""
    try:
        told, fewest = dict(config["recipe"]), int(config.get("fewest", 0))
        trees = told.pop("trees", None)
        linear = Recipe.of_json(told)
        if fewest < 0 or linear.newest < 1:
            raise ValueError("a number below its least")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return None, f"cannot be read ({error!r}): pages go by fixed weights. {AGAIN}"
    try:
        return (linear if trees is None else linear.with_trees(trees)), ""
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return (
            linear,
            f"its trees cannot be read ({error!r}): pages go by its linear ranker. {AGAIN}",
        )
