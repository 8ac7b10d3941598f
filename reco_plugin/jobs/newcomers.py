"""Products born after the lists of similar products were made: they get one each, and join those of others.

Until the lists are made anew (`jobs.score`), which takes all of them at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from reco_plugin import backends, conf
from reco_plugin.jobs.likeness import Likeness, rearranged
from reco_plugin.jobs.neighbours import DIGITS
from reco_plugin.jobs.publish import active_run, handle
from reco_plugin.models import Neighbours, Run
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import Key, id_map

BATCH = 200
MOST_JOINING = 1_000
"""Of more newcomers at once (an import) each has a list, and joins the others' at the next scoring."""

Near: TypeAlias = Mapping[Key, Sequence[tuple[Key, float]]]
"""Of each newcomer its neighbours and their cosines, best first."""


def join(site: int, keys: Sequence[Key], kind: str = "personal") -> int:
    """Write the lists of `keys`, which have vectors in the live run of a kind; returns how many. None where
    no lists are kept. What is like them by their features comes first.

    Raises StoreError.
    """
    run = active_run(site, kind)
    depth = int(run.config.get("neighbours", {}).get("depth", 0)) if run else 0
    if run is None or not depth or not keys:
        return 0
    store, where = backends.store(run.store), handle(run)
    like = Likeness.of(run) if kind == "personal" else None
    for batch in _batches(keys):
        near: Near = {
            key: [(one.key, one.score) for one in store.neighbours(where, key, depth)]
            for key in batch
        }
        first = like.lists(batch, depth) if like else {}
        _write(run, {key: rearranged(found, first, key) for key, found in near.items()})
        if len(keys) <= MOST_JOINING:
            _tell_others(run, near, depth)
    return len(keys)


def _write(run: Run, near: Near) -> None:
    rows = [
        _row(run, key, _json([other for other, _ in found]), [score for _, score in found])
        for key, found in near.items()
    ]
    _upsert(rows)


def _tell_others(run: Run, near: Near, depth: int) -> None:
    """A newcomer joins the lists of its neighbours that it is nearer to than their last."""
    wishes: dict[Key, list[tuple[Key, float]]] = {}
    for key, found in near.items():
        for other, score in found:
            if other not in near:
                wishes.setdefault(other, []).append((key, score))
    for batch in _batches(list(wishes)):
        rows: Any = Neighbours.objects.using(conf.settings.DATABASE).filter(
            run=run, product_id__in=batch
        )
        _upsert([row for row in rows if _let_in(row, wishes[row.product_id], depth)])


def _let_in(row: Neighbours, wishes: Iterable[tuple[Key, float]], depth: int) -> bool:
    """Put the nearest of `wishes` where they belong; was there one?"""
    before = list(row.keys)
    for (_, score), name in zip(wishes, _json([key for key, _ in wishes]), strict=True):
        if name in row.keys:
            at = row.keys.index(name)
            del row.keys[at], row.scores[at]
        at = bisect_right(row.scores, -score, key=lambda known: -known)
        row.keys.insert(at, name)
        row.scores.insert(at, round(float(score), DIGITS))
    del row.keys[depth:], row.scores[depth:]
    return list(row.keys) != before


def _row(run: Run, key: Any, keys: list[Any], scores: list[float]) -> Neighbours:
    rounded = [round(float(score), DIGITS) for score in scores]
    return Neighbours(site=run.site, run=run, product_id=key, keys=keys, scores=rounded)


def _upsert(rows: Sequence[Neighbours]) -> None:
    Neighbours.objects.using(conf.settings.DATABASE).bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["run", "product"],
        update_fields=["keys", "scores"],
    )


def _batches(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (keys[at : at + BATCH] for at in range(0, len(keys), BATCH))


def _json(keys: Sequence[Key]) -> list[Any]:
    return shop_keys.to_json(id_map(keys))
