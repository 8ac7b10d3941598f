"""What every store refuses, so that no store has to say it in its own words."""

from __future__ import annotations

import numpy as np

from reco_plugin.exceptions import StoreError
from reco_plugin.stores.base import Vectors
from reco_plugin.types import Floats, IdMap


def check_vectors(vectors: Vectors) -> None:
    """Raise StoreError where shapes disagree, a number is not finite or a key comes twice."""
    check_items(vectors.items, vectors.item_vectors, vectors.item_biases)
    check_rows("shopper", vectors.shoppers, vectors.shopper_vectors)
    items, shoppers = vectors.item_vectors.shape[1], vectors.shopper_vectors.shape[1]
    if items != shoppers:
        raise StoreError(f"Item vectors have {items} dimensions, shopper vectors {shoppers}.")


def check_items(items: IdMap, vectors: Floats, biases: Floats) -> None:
    """As `check_vectors`, for items alone."""
    check_rows("item", items, vectors)
    if biases.shape != (len(items),):
        raise StoreError(f"{len(items)} items need as many biases, not shape {biases.shape}.")
    _check_finite("item biases", biases)


def check_rows(subject: str, keys: IdMap, vectors: Floats) -> None:
    """One finite vector per key, no key twice."""
    if vectors.ndim != 2 or len(vectors) != len(keys) or vectors.shape[1] == 0:
        raise StoreError(
            f"{len(keys)} {subject} keys need vectors of shape ({len(keys)}, d), d > 0, "
            f"not {vectors.shape}."
        )
    _check_finite(f"{subject} vectors", vectors)
    if len(set(keys.keys.tolist())) != len(keys):
        raise StoreError(f"An {subject} key occurs twice; every vector needs a key of its own.")


def check_query(query: Floats, dimension: int) -> Floats:
    """The query as contiguous float32 (d,); StoreError where it cannot be matched with the run."""
    found = np.ascontiguousarray(query, dtype=np.float32)
    if found.shape != (dimension,):
        raise StoreError(f"The run has {dimension} dimensions, the query has shape {found.shape}.")
    _check_finite("the query", found)
    return found


def _check_finite(subject: str, values: Floats) -> None:
    if not np.isfinite(values).all():
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise StoreError(
            f"{bad} numbers of {subject} are NaN or infinite; train again with a lower learning rate."
        )
