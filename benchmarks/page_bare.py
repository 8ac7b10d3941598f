"""The page of `page` by hand: plain SQL, and as little Python as leads to the same tiles in the same order.

Written for this one shop and these four placements, with nothing around it: no ladder, no time limits, no
reasons, no notes, no model instances. What decides *which* rows are shown is all there: live stock, what was
bought lately or dismissed, guards, the cap on categories, two kinds mixed by weight, no product twice on the
page, and variety by the vectors of the first candidates.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

Rows = list[tuple[Any, ...]]

PRODUCT = """
  p.id, p.title, p.description, p.category_id, p.brand, p.price, p.is_active,
  c.id, c.name, c.parent_id, r.id, r.name, r.parent_id"""
SHELF = (
    "JOIN shop_category c ON c.id = p.category_id LEFT JOIN shop_category r ON r.id = c.parent_id"
)
LIVE = """p.is_active AND p.price > 0
  AND (SELECT sum(s.quantity) FROM shop_stockrecord s WHERE s.product_id = p.id) > 0"""
PAST = """
  SELECT product_id, kind FROM reco_interaction
  WHERE site = 1 AND shopper = %(shopper)s AND product_id IS NOT NULL
  ORDER BY occurred_at DESC, id DESC LIMIT 30"""
OUT = """
  SELECT DISTINCT product_id, kind FROM reco_interaction
  WHERE site = 1 AND shopper = %(shopper)s AND product_id IS NOT NULL
    AND (kind = 9 OR kind = 6 AND occurred_at >= now() - interval '30 days')"""
NEAR = """
  SELECT key FROM (
    SELECT key, embedding FROM {items} WHERE key <> %(product)s
    ORDER BY (embedding::{held}({dimension})) <=> (
      SELECT embedding::{held}({dimension}) FROM {items} WHERE key = %(product)s)
    LIMIT 80
  ) first ORDER BY embedding <=> (SELECT embedding FROM {items} WHERE key = %(product)s) LIMIT 40"""
LISTS = """
  SELECT relation, keys FROM reco_related WHERE run_id = {behaviour} AND product_id = %(product)s
    AND relation IN ('bought_together', 'viewed_viewed', 'viewed_bought')"""
OFFERED = f"""
SELECT 'manual', target_id, NULL::jsonb, NULL::smallint FROM reco_manual_link
WHERE site = 1 AND product_id = %(product)s
UNION ALL SELECT relation, NULL::bigint, keys, NULL::smallint FROM ({LISTS}) lists
UNION ALL SELECT 'near', key, NULL::jsonb, NULL::smallint FROM ({NEAR}) near
UNION ALL SELECT 'past', product_id, NULL::jsonb, kind FROM ({PAST}) past
UNION ALL SELECT 'out', product_id, NULL::jsonb, kind FROM ({OUT}) gone"""
FACTS = "i.categories::text, i.attributes ->> 'gender', i.attributes ->> 'age_group'"
KNOWN = f"""
SELECT i.product_id, {FACTS}, vector_send(v.embedding)
FROM reco_item i LEFT JOIN {{items}} v ON v.key = i.product_id AND v.key = ANY(%(varied)s)
WHERE i.product_id = ANY(%(keys)s)"""
KNOWN_AND_LIVE = f"""
SELECT p.id, {FACTS}, vector_send(v.embedding), {LIVE}, {PRODUCT}
FROM shop_product p {SHELF} JOIN reco_item i ON i.product_id = p.id
LEFT JOIN {{items}} v ON v.key = p.id AND v.key = ANY(%(varied)s)
WHERE p.id = ANY(%(keys)s)"""
SHOWN = f"SELECT {PRODUCT} FROM shop_product p {SHELF} WHERE p.id = ANY(%(keys)s) AND {LIVE}"

VARIETY = 0.1
"""The placements' diversity."""
REACH = 32
"""Candidates that variety reorders."""
PER_CATEGORY = 2
LOOKED, TURNED_DOWN, PLEASED = {1, 2}, {7, 9}, {1, 2, 3, 5, 6}
"""Kinds of events."""
LISTED = ("manual", "bought_together", "viewed_viewed", "viewed_bought", "near")
SIZES = (4, 8, 8, 8)
FIRST_LOOK = (7, 12, 12, 12)
"""Candidates of each placement whose live rows are read first: one in ten is sold out."""


class Bare:
    """One form of it. `apart` reads facts of all candidates and live rows of the first few in two statements,
    rather than everything of all in one; `prepared` keeps the server's plans and reads binary rows."""

    def __init__(self, *, apart: bool, prepared: bool, names: Mapping[str, Any]) -> None:
        import psycopg
        from django.db import connection

        raw = connection.connection
        self._cursor = psycopg.Cursor(raw) if prepared else psycopg.ClientCursor(raw)
        self._how: dict[str, Any] = {"prepare": True, "binary": True} if prepared else {}
        self._apart = apart
        self._offered = OFFERED.format(**names)
        self._known = (KNOWN if apart else KNOWN_AND_LIVE).format(**names)

    def __call__(self, asked: tuple[Any, Any]) -> list[Rows]:
        """Live rows of each placement, in order."""
        product = asked[1]
        offered, looked = self._candidates(*asked)
        every = {product, *looked, *(key for keys in offered.values() for key in keys)}
        varied = offered["near"] + offered["viewed_viewed"] + offered["viewed_bought"]
        found = self._read(self._known, keys=list(every), varied=varied)
        known = {row[0]: row for row in found}
        queues: list[Iterator[Any]] = [
            iter(_unlike(product, offered["manual"], offered["bought_together"], known)),
            _varied(_like(product, offered["near"], known, category=True), known),
            _varied(_also(product, offered, known), known),
            iter(looked),
        ]
        if self._apart:
            return self._checked(queues, known)
        return _slates(queues, {row[0]: row[6:] for row in found if row[5]}, known)

    def _candidates(self, shopper: Any, product: Any) -> tuple[dict[str, list[Any]], list[Any]]:
        """What each list offers, and what was looked at last."""
        offered: dict[str, list[Any]] = {name: [] for name in LISTED}
        past: list[tuple[Any, int]] = []
        bought, dismissed = {product}, {product}
        for name, key, keys, kind in self._read(self._offered, shopper=shopper, product=product):
            if name == "past":
                past.append((key, kind))
            elif name == "out":
                (dismissed if kind == 9 else bought).add(key)
            elif keys is not None:
                offered[name] = json.loads(keys) if isinstance(keys, str) else keys
            else:
                offered[name].append(key)
        out = bought | dismissed
        left = {name: [key for key in keys if key not in out] for name, keys in offered.items()}
        return left, _looked(past, dismissed)

    def _checked(self, queues: Sequence[Iterator[Any]], known: Mapping[Any, Any]) -> list[Rows]:
        """Live rows of the first few of each; of the rest as well, should those not do."""
        heads = [list(islice(one, look)) for one, look in zip(queues, FIRST_LOOK, strict=True)]
        live = self._live(heads)
        slates = _slates(heads, live, known)
        short = [
            len(slate) < size and len(head) == look
            for slate, size, head, look in zip(slates, SIZES, heads, FIRST_LOOK, strict=True)
        ]
        if not any(short):
            return slates
        tails = [list(queue) for queue in queues]
        live |= self._live(tails)
        return _slates([head + tail for head, tail in zip(heads, tails, strict=True)], live, known)

    def _live(self, queues: Iterable[Iterable[Any]]) -> dict[Any, tuple[Any, ...]]:
        keys = list({key for queue in queues for key in queue})
        return {row[0]: row for row in self._read(SHOWN, keys=keys)}

    def _read(self, sql: str, **values: Any) -> Rows:
        self._cursor.execute(sql, values, **self._how)
        return self._cursor.fetchall()


def _looked(past: Sequence[tuple[Any, int]], out: set[Any]) -> list[Any]:
    last: dict[Any, int] = {}
    for key, kind in past:
        if kind in TURNED_DOWN or kind in PLEASED:
            last.setdefault(key, kind)
    seen = dict.fromkeys(key for key, kind in past if kind in LOOKED)
    return [key for key in seen if key not in out and last[key] not in TURNED_DOWN]


def _suits(row: tuple[Any, ...], own: tuple[Any, ...]) -> bool:
    """Gender and age group, where both sides say."""
    return all(
        not mine or not theirs or theirs in (mine, "unisex")
        for mine, theirs in ((own[2], row[2]), (own[3], row[3]))
    )


def _like(
    product: Any, keys: Iterable[Any], known: Mapping[Any, Any], *, category: bool = False
) -> list[Any]:
    own = known[product]
    return [
        key
        for key in keys
        if (row := known.get(key)) and _suits(row, own) and (not category or row[1] == own[1])
    ]


def _unlike(
    product: Any, linked: list[Any], together: list[Any], known: Mapping[Any, Any]
) -> list[Any]:
    own = known[product]
    both = _mixed((1.0, linked), (1.0, together))
    return [key for key in _like(product, both, known) if known[key][1] != own[1]]


def _also(product: Any, offered: Mapping[str, list[Any]], known: Mapping[Any, Any]) -> list[Any]:
    return _mixed(
        (1.0, _like(product, offered["viewed_viewed"], known)),
        (0.5, _like(product, offered["viewed_bought"], known)),
    )


def _mixed(*kinds: tuple[float, list[Any]]) -> list[Any]:
    """Each kind has its share of any first places; a product stands with the kind that brings it first."""
    if not all(keys for _, keys in kinds):
        return [key for _, keys in kinds for key in keys]
    owner: dict[Any, tuple[float, int]] = {}
    for kind, (weight, keys) in enumerate(kinds):
        for rank, key in enumerate(keys):
            place = (rank + 0.5) / weight
            if key not in owner or place < owner[key][0]:
                owner[key] = (place, kind)
    places = [
        ((rank + 0.5) / weight, kind, key)
        for kind, (weight, keys) in enumerate(kinds)
        for rank, key in enumerate(key for key in keys if owner[key][1] == kind)
    ]
    return [key for _, _, key in sorted(places)]


def _varied(keys: list[Any], known: Mapping[Any, Any]) -> Iterator[Any]:
    """One by one, so that nobody works out what is not shown (Carbonell & Goldstein 1998)."""
    near, rest = keys[:REACH], keys[REACH:]
    if len(near) < 3:
        yield from keys
        return
    penalty = VARIETY * _alike([known[key][4] for key in near])
    relevance = (1 - VARIETY) * (1 - np.arange(len(near)) / len(near))
    nearest = np.zeros(len(near))
    for _ in near:
        row = int((relevance - nearest).argmax())
        yield near[row]
        relevance[row] = -np.inf
        np.maximum(nearest, penalty[row], out=nearest)
    yield from rest


def _alike(raw: Sequence[bytes]) -> Any:
    """float64 (n, n) cosines, none below 0, from what vector_send gives."""
    layout = [("header", "V4"), ("values", ">f4", ((len(raw[0]) - 4) // 4,))]
    rows = np.frombuffer(b"".join(raw), layout)["values"].astype(np.float32)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return np.clip(rows @ rows.T, 0, 1).astype(np.float64)


def _slates(
    queues: Sequence[Iterable[Any]], live: Mapping[Any, Any], known: Mapping[Any, Any]
) -> list[Rows]:
    """The first live ones of each queue, no product twice, and no more of a category than may be."""
    shown: set[Any] = set()
    slates: list[Rows] = []
    for spot, (queue, size) in enumerate(zip(queues, SIZES, strict=True)):
        slate: Rows = []
        held: dict[str, int] = {}
        for key in queue:
            if len(slate) == size:
                break
            if key not in live or key in shown:
                continue
            if spot == 0:
                category = known[key][1]
                if held.get(category, 0) >= PER_CATEGORY:
                    continue
                held[category] = held.get(category, 0) + 1
            shown.add(key)
            slate.append(live[key])
        slates.append(slate)
    return slates
