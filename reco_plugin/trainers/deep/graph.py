"""Light graph convolution: vectors handed on along who took what, nothing else learnt on the way."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse

from reco_plugin.trainers.deep.torches import Tensor, torch


class Graph:
    """Shoppers and items as nodes, shoppers first; an edge for each item that a shopper took."""

    def __init__(self, taken: sparse.csr_matrix, layers: int, device: Any) -> None:
        self.n_shoppers, self.n_items = taken.shape
        self.layers = layers
        shares = _shares(taken)
        self.shoppers = _tensor(shares, device)
        self.items = _tensor(shares.T.tocsr(), device)

    def convolved(self, nodes: Tensor) -> Tensor:
        """The mean over all layers of what reaches each node, (n_shoppers + n_items, d) to the same.

        The map is its own transpose: it takes gradients back as it takes vectors forth.
        """
        found, layer = nodes.clone(), nodes
        for _ in range(self.layers):
            shoppers, items = layer[: self.n_shoppers], layer[self.n_shoppers :]
            layer = torch.cat([self.shoppers @ items, self.items @ shoppers])
            found += layer
        return found.div_(self.layers + 1)


def _shares(taken: sparse.csr_matrix) -> sparse.csr_matrix:
    """Of each edge 1 / sqrt(items of the shopper x shoppers of the item)."""
    edges = taken.tocoo()
    of_shopper = np.diff(taken.indptr)
    of_item = np.bincount(edges.col, minlength=taken.shape[1])
    share = 1 / np.sqrt(of_shopper[edges.row].astype(np.float64) * of_item[edges.col])
    return sparse.csr_matrix((share.astype(np.float32), (edges.row, edges.col)), shape=taken.shape)


def _tensor(matrix: sparse.csr_matrix, device: Any) -> Tensor:
    with warnings.catch_warnings(action="ignore"):  # torch calls beta what is thrice as fast
        return torch.sparse_csr_tensor(
            torch.as_tensor(matrix.indptr.astype(np.int64)),
            torch.as_tensor(matrix.indices.astype(np.int64)),
            torch.as_tensor(matrix.data),
            size=matrix.shape,
            check_invariants=False,
        ).to(device)
