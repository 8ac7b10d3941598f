"""How good an encoder is on products it never saw: their pictures as queries among all the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reco_plugin.metrics.retrieval import label_precision, nearest
from reco_plugin.types import Floats, Ints

K = 10
Rows = npt.NDArray[np.int64]
Encode = Callable[[Rows], Floats]
"""Rows of pictures → their embeddings."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """Precision@10 of the held-out pictures among themselves and a sample of those that train."""

    rows: Rows
    """Of the pictures that are looked at: held out first."""
    queries: int
    """How many of them are held out."""
    products: Ints
    """(n,) of the rows."""
    labels: Mapping[str, Ints]
    """(n,) of the rows."""

    @classmethod
    def of(
        cls,
        held: npt.NDArray[np.bool_],
        products: Ints,
        labels: Mapping[str, Ints],
        *,
        most: int,
        seed: int,
    ) -> Judge:
        """A judge who looks at all held-out pictures and at most `most` others."""
        others = np.flatnonzero(~held)
        if len(others) > most:
            random = np.random.default_rng([seed, 3])
            others = np.sort(random.choice(others, most, replace=False))
        rows = np.concatenate([np.flatnonzero(held), others])
        return cls(
            rows=rows,
            queries=int(held.sum()),
            products=products[rows],
            labels={name: codes[rows] for name, codes in labels.items()},
        )

    def __call__(self, encode: Encode) -> dict[str, float]:
        """Figures, 0..1: 'precision@10' of the first attribute, 'precision@10 NAME' of each,
        'agreement@10' the mean of all, and 'score', what early stopping goes by: the mean of the first's and
        of all.

        Without attributes the score is how much nearer to a held-out picture its product's others are.
        """
        return self.judged(encode(self.rows))

    def judged(self, vectors: Floats) -> dict[str, float]:
        """The figures of embeddings of `rows`."""
        queries = np.arange(self.queries)
        found = nearest(vectors, queries, K, groups=self.products)
        each = {
            name: _mean(label_precision(found, queries, codes))
            for name, codes in self.labels.items()
        }
        first = next(iter(each.values()), 0.0)
        mean = float(np.mean(list(each.values()))) if each else 0.0
        named = {f"precision@{K} {name}": value for name, value in each.items()}
        return {
            "score": (first + mean) / 2,
            f"precision@{K}": first,
            f"agreement@{K}": mean,
            **named,
        }


def _mean(figures: npt.NDArray[np.float64]) -> float:
    known = figures[~np.isnan(figures)]
    return float(known.mean()) if len(known) else 0.0
