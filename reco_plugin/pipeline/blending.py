"""A learnt blend on a page: rows of its lists in, the ranker's order out. The ranking itself is `ranking.votes`,
by which the blend was learnt and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
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


def is_usable(config: Mapping[str, Any]) -> bool:
    """May a page ask the run? Not where the shop has switched it off, nor while its lists tell of pairs of fewer
    shoppers than RECO_MIN_PAIR_SHOPPERS, which may have been raised since."""
    fewest = int(config.get("fewest", 0))
    return conf.settings.BLEND and fewest >= conf.settings.MIN_PAIR_SHOPPERS


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
    """The best `lookup.k`, best first. `rows` are those of its products that have a list. Raises KeyError or
    ValueError for a run whose configuration says no recipe."""
    recipe = _recipe(run, _frozen(config["recipe"]))
    keys = lookup.keys[: recipe.newest]
    raw = dict(zip(keys, shop_keys.to_json(id_map(keys)), strict=True))
    found = votes(
        [_heard(rows.get(key), len(recipe.members)) for key in keys],
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


def _heard(row: Row | None, members: int) -> Heard | None:
    if row is None:
        return None
    keys, prior, facts = row.entries()
    if not keys:
        return None
    return Heard(keys=keys, values=stored.read(str(facts[VOTES]), members), prior=prior)


def _beside(row: Row | None) -> dict[Any, float]:
    if row is None:
        return {}
    keys, prior, _facts = row.entries()
    return dict(zip(keys, prior, strict=False))


def _frozen(recipe: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (name, tuple(value) if isinstance(value, Sequence) else value)
        for name, value in recipe.items()
    )


@lru_cache(maxsize=8)
def _recipe(run: int, told: tuple[tuple[str, Any], ...]) -> Recipe:
    return Recipe.of_json(dict(told))
