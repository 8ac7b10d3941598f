"""The rows that say what goes with what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connections
from psycopg import sql

from reco_plugin import conf
from reco_plugin.models import Related, Run
from reco_plugin.stores import keys as shop_keys
from reco_plugin.trainers.related import RelatedLists
from reco_plugin.types import IdMap

DIGITS = 5
"""Decimals kept of a share."""
_COLUMNS = ("site", "run_id", "product_id", "relation", "keys", "scores", "facts")


def write(
    run: Run, relation: str, items: IdMap, lists: RelatedLists, *, key_facts: Sequence[str] = ()
) -> None:
    """Add one row for each list; the caller holds a transaction. Facts named in `key_facts` are item rows."""
    if not len(lists):
        return
    put(run, _rows(relation, items, lists, key_facts))


def put(run: Run, rows: Iterator[tuple[Any, str, str, str, str]]) -> None:
    """Add rows of (product, relation, keys, scores, facts), the last three as JSON."""
    if connections[conf.settings.DATABASE].vendor == "postgresql":
        _copy(run, rows)
    else:
        _insert(run, rows)


def _rows(
    relation: str, items: IdMap, lists: RelatedLists, key_facts: Sequence[str]
) -> Iterator[tuple[Any, str, str, str, str]]:
    """(product, relation, keys, scores, facts), the last three as JSON."""
    beside = [values for name, values in lists.facts.items() if name in key_facts]
    names = _names(items, [lists.items, *beside])
    owners: list[Any] = IdMap(keys=items.keys[lists.rows]).to_python()
    entries = lists.items.tolist()
    scores = _plain(lists.scores)
    facts = {
        name: [names[row] for row in values.tolist()] if name in key_facts else _texts(values)
        for name, values in lists.facts.items()
    }
    for owner, (_, part) in zip(owners, lists, strict=True):
        keys = ",".join([names[row] for row in entries[part]])
        told = ",".join(f'"{name}":[{",".join(texts[part])}]' for name, texts in facts.items())
        yield owner, relation, f"[{keys}]", json.dumps(scores[part]), f"{{{told}}}"


def _names(items: IdMap, rows: Sequence[npt.NDArray[np.integer[Any]]]) -> dict[int, str]:
    """The keys at these item rows as JSON: few of all items, where only a day is added."""
    told = np.unique(np.concatenate(rows))
    keys = shop_keys.to_json(IdMap(keys=items.keys[told]))
    return dict(zip(told.tolist(), map(json.dumps, keys), strict=True))


def _texts(values: npt.NDArray[Any]) -> list[str]:
    return [repr(value) for value in _plain(values)]


def _plain(values: npt.NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "f":
        return list(np.round(values.astype(np.float64), DIGITS).tolist())
    return list(values.tolist())


def _copy(run: Run, rows: Iterator[tuple[Any, str, str, str, str]]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(Related._meta.db_table),
        sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
    )
    with (
        connections[conf.settings.DATABASE].cursor() as cursor,
        cursor.copy(statement) as stream,
    ):
        for row in rows:
            stream.write_row((run.site, run.pk, *row))


def _insert(run: Run, rows: Iterator[tuple[Any, str, str, str, str]]) -> None:
    made = (
        Related(
            site=run.site,
            run=run,
            product_id=product,
            relation=relation,
            keys=json.loads(keys),
            scores=json.loads(scores),
            facts=json.loads(facts),
        )
        for product, relation, keys, scores, facts in rows
    )
    Related.objects.using(conf.settings.DATABASE).bulk_create(made, batch_size=1_000)
