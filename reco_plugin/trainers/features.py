"""Side features as LightFM wants them: beside an identity, each row summing to one.

A row's vector is the weighted sum of the embeddings of its features. Without the identity, two items of
like features could not be told apart; without the normalisation, a row of many features or of large
values would drown its own identity (LightFM's own Dataset does the same).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from reco_plugin.types import Features


def check(features: Features, rows: int, of: str) -> None:
    """Raise ValueError unless there is one finite row of features for each of the `rows` `of` things."""
    matrix = features.matrix
    if matrix.shape != (rows, len(features.names)):
        raise ValueError(
            f"The {of} features are {matrix.shape}, but there are {rows} {of}s "
            f"and {len(features.names)} names."
        )
    bad = np.flatnonzero(~np.isfinite(matrix.data))
    if len(bad):
        name = features.names[matrix.indices[bad[0]]]
        row = int(np.searchsorted(matrix.indptr, bad[0], side="right")) - 1
        raise ValueError(
            f"{len(bad)} {of} feature values are not finite numbers, the first is {name!r} of {of} row "
            f"{row}. Leave a missing value out instead of passing NaN."
        )


def normalised(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows scaled to sum to one in absolute value; rows of zeros stay."""
    sums = np.asarray(abs(matrix).sum(axis=1), dtype=np.float64).ravel()
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    return sparse.csr_matrix(sparse.diags(scale) @ matrix, dtype=np.float32)


def with_identity(
    features: Features | None, rows: int, *, share: float
) -> sparse.csr_matrix | None:
    """CSR (rows, rows + features): `share` of a row's weight its identity, the rest its features.

    A row without features is all identity. None, which LightFM takes for the plain identity, when
    there are no features.
    """
    if features is None or not features.names:
        return None
    side = normalised(features.matrix) * np.float32(1 - share)
    identity = sparse.identity(rows, dtype=np.float32, format="csr") * np.float32(share)
    return normalised(sparse.hstack([identity, side], format="csr"))
