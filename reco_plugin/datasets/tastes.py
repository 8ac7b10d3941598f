"""Shopper features: the (broad) category and the price band someone favours."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from reco_plugin.types import Features

FAMILIES = ("category:", "price:")


def shopper_features(interactions: sparse.csr_matrix, items: Features) -> Features:
    """Of each family the one feature most of a shopper's weight is on; (n_shoppers, n_features).

    Rows add up to one; a shopper whose items have neither category nor price has an empty row. Made of
    the very interactions to be learnt, so of a train matrix when there is a hold-out.
    """
    parts, names = [], []
    for family in FAMILIES:
        columns = [at for at, name in enumerate(items.names) if name.startswith(family)]
        if columns:
            has = (items.matrix[:, columns] > 0).astype(np.float32)
            parts.append(_favourites((interactions @ has).tocsr()))
            names += [f"favours:{items.names[column]}" for column in columns]
    if not parts:
        return Features(matrix=sparse.csr_matrix((interactions.shape[0], 0)), names=())
    matrix = sparse.hstack(parts, format="csr", dtype=np.float32)
    counts = np.diff(matrix.indptr)
    matrix.data = np.repeat(1.0 / np.maximum(counts, 1), counts).astype(np.float32)
    return Features(matrix=matrix, names=tuple(names))


def _favourites(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """A one for the largest entry of each row; the first of equals."""
    weights.sort_indices()
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    order = np.lexsort((weights.indices, -weights.data, rows))
    first = order[np.unique(rows[order], return_index=True)[1]]
    ones = np.ones(len(first), np.float32)
    return sparse.csr_matrix((ones, (rows[first], weights.indices[first])), shape=weights.shape)
