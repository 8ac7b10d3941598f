"""What a product is, as a row of features: category path, brand, price band, tags, attributes, words, look.

Each family a product has (category, brand …) weighs the same, its features share that weight, and
a row adds up to one: a long description does not drown the brand. Families are kept small by the
number of products a feature must be shared by, and by a most frequent number.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import conf
from reco_plugin.catalog.base import SEPARATOR
from reco_plugin.datasets import looks
from reco_plugin.datasets.prices import bands, in_band
from reco_plugin.models import Item
from reco_plugin.types import CatalogItem, Features, IdMap

BATCH = 5_000
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """How many features of a kind are kept."""

    fewest: int = 1
    """Products that must share a feature."""
    commonest: float = 1.0
    """Share of all products above which a feature tells nothing."""
    most: int = 5_000
    """Features kept, the most frequent first."""


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "category": Family(),
        "brand": Family(),
        "price": Family(),
        "tag": Family(fewest=2),
        "attribute": Family(fewest=2),
        "text": Family(fewest=3, commonest=0.3),
        looks.FAMILY: Family(),
    }
)


def item_features(
    items: IdMap, *, site: int = 1, using: str | None = None, seen: Features | None = None
) -> Features:
    """Features of the Item rows of `items`, as of their last sync; (len(items), n_features).

    `seen` is what the pictures of the same `items` show (see `looks`). A product without an Item row,
    or with nothing on it, has no more than that.
    """
    return features_of(_catalogue(items, site, using or conf.settings.DATABASE), seen)


def features_of(products: Sequence[CatalogItem], seen: Features | None = None) -> Features:
    """Choose the features that tell these products apart, and give each its row."""
    edges = bands([product.price for product in products])
    facts = [_facts(product, edges) for product in products]
    names = _chosen(facts) + (seen.names if seen else ())
    return Features(matrix=_matrix(facts, names, seen), names=names)


def feature_rows(
    products: Iterable[CatalogItem], names: Sequence[str], seen: Features | None = None
) -> sparse.csr_matrix:
    """Rows of other products (e.g. born later) over features chosen before; (n, len(names))."""
    edges = sorted(float(name.partition(":")[2]) for name in names if name.startswith("price:"))
    return _matrix([_facts(product, edges) for product in products], names, seen)


def _catalogue(items: IdMap, site: int, database: str) -> list[CatalogItem]:
    """One entry per row of `items`."""
    found = [CatalogItem(key=None)] * len(items)
    fields = ("pk", "title", "text", "categories", "brand", "price", "tags", "attributes")
    rows = Item._default_manager.using(database).filter(site=site).values_list(*fields)
    for key, title, text, categories, brand, price, tags, attributes in rows.iterator(BATCH):
        row = items.row(key)
        if row is not None:
            found[row] = CatalogItem(
                key=key,
                title=title,
                description=text,
                categories=tuple(categories or ()),
                brand=brand,
                price=price,
                tags=tuple(tags or ()),
                attributes=attributes or {},
            )
    return found


# --- one product ---------------------------------------------------------------------------------


def _facts(product: CatalogItem, edges: Sequence[float]) -> frozenset[str]:
    """Every feature this product could have."""
    return frozenset(
        itertools.chain(
            (f"category:{path}" for path in _paths(product.categories)),
            (f"brand:{product.brand.strip()}",) if product.brand.strip() else (),
            in_band(product.price, edges),
            (f"tag:{tag}" for tag in product.tags),
            (f"attribute:{name}={value}" for name, value in product.attributes.items()),
            (f"text:{word}" for word in _words(product)),
        )
    )


def _paths(categories: Iterable[str]) -> Iterator[str]:
    """Every category and all above it."""
    for path in categories:
        names = path.split(SEPARATOR)
        for depth in range(1, len(names) + 1):
            yield SEPARATOR.join(names[:depth])


def _words(product: CatalogItem) -> Iterable[str]:
    return _WORD.findall(f"{product.title} {product.description}".casefold())


# --- all products --------------------------------------------------------------------------------


def _chosen(facts: Sequence[frozenset[str]]) -> tuple[str, ...]:
    counts = Counter(itertools.chain.from_iterable(facts))
    names: list[str] = []
    for family, rule in FAMILIES.items():
        own = [(name, n) for name, n in counts.items() if name.startswith(f"{family}:")]
        most = max(rule.fewest, rule.commonest * len(facts))
        kept = [(name, n) for name, n in own if rule.fewest <= n <= most]
        kept.sort(key=lambda pair: (-pair[1], pair[0]))
        names += sorted(name for name, _ in kept[: rule.most])
    return tuple(names)


def _matrix(
    facts: Sequence[frozenset[str]], names: Sequence[str], seen: Features | None = None
) -> sparse.csr_matrix:
    columns = {name: column for column, name in enumerate(names)}
    rows: list[int] = []
    found: list[int] = []
    for row, names_of_row in enumerate(facts):
        known = sorted(columns[name] for name in names_of_row if name in columns)
        rows += [row] * len(known)
        found += known
    matrix = sparse.csr_matrix(
        (_shares(np.asarray(rows, np.int64), np.asarray(found, np.int64), names), (rows, found)),
        shape=(len(facts), len(names)),
        dtype=np.float32,
    )
    return normalised(matrix if seen is None else matrix + _placed(seen, columns))


def _placed(seen: Features, columns: Mapping[str, int]) -> sparse.csr_matrix:
    """What is seen, a family that adds up to one, in the columns of its names."""
    found = seen.matrix.tocoo()
    at = np.asarray([columns.get(name, -1) for name in seen.names], np.int64)[found.col]
    known = at >= 0
    return sparse.csr_matrix(
        (found.data[known], (found.row[known], at[known])),
        shape=(seen.matrix.shape[0], len(columns)),
        dtype=np.float32,
    )


def _shares(
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], names: Sequence[str]
) -> npt.NDArray[np.float32]:
    """One over how many features of the same family the product has."""
    order = {family: number for number, family in enumerate(FAMILIES)}
    family_of = np.asarray([order.get(name.partition(":")[0], 0) for name in names], np.int64)
    group = rows * len(FAMILIES) + family_of[columns]
    return np.asarray(1.0 / np.bincount(group)[group] if len(group) else group, np.float32)


def normalised(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows that add up to one; empty rows stay empty, numbers that are none become nothing."""
    found: Any = matrix.tocsr(copy=True).astype(np.float32)
    found.data = np.nan_to_num(found.data, nan=0.0, posinf=0.0, neginf=0.0)
    found.eliminate_zeros()
    sums = np.asarray(abs(found).sum(axis=1)).ravel()
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    found.data *= np.repeat(scale, np.diff(found.indptr)).astype(np.float32)
    return found
