"""How good an encoder is on products it never saw: their pictures as queries among all the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from reco_plugin.encoders.weights import Block
from reco_plugin.metrics.retrieval import label_precision, nearest
from reco_plugin.types import Floats, Ints

K = 10
ROUNDS = 2
FACTORS = (0.4, 0.7, 1.5, 2.5)
"""By which the share of a block is changed on trial."""
TINY = 1e-9
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
    """(n,) of the rows, the most important first."""
    together: int = 3
    """So many of them are wanted to agree all at once."""

    @classmethod
    def of(
        cls,
        held: npt.NDArray[np.bool_],
        products: Ints,
        labels: Mapping[str, Ints],
        *,
        most: int,
        seed: int,
        together: int = 3,
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
            together=together,
        )

    def __call__(self, encode: Encode) -> dict[str, float]:
        """The figures of what `encode` makes of `rows`, see `judged`."""
        return self.judged(encode(self.rows))

    def judged(self, vectors: Floats) -> dict[str, float]:
        """Figures, 0..1, of embeddings of `rows`: 'precision@10' of the first attribute, 'together@10' of
        the first few at once, 'precision@10 NAME' of each, and 'score', what early stopping goes by: the mean of
        the first two. Without attributes the score is how often a picture of the same product is found.
        """
        queries = np.arange(self.queries)
        if not self.labels:
            found = nearest(vectors, queries, K)
            return {"score": _mean(label_precision(found, queries, self.products))}
        found = nearest(vectors, queries, K, groups=self.products)
        named = {
            f"precision@{K} {name}": _mean(label_precision(found, queries, codes))
            for name, codes in self.labels.items()
        }
        first = next(iter(named.values()))
        table = np.stack(list(self.labels.values())[: self.together], axis=1)
        both = _mean(label_precision(found, queries, table))
        return {
            "score": (first + both) / 2,
            f"precision@{K}": first,
            f"together@{K}": both,
            **named,
        }

    def shares(self, vectors: Floats, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        """The same blocks with the shares of best score, by trying those of one block after the other."""
        columns = np.split(vectors, np.cumsum([block.size for block in blocks])[:-1], axis=1)
        units = [
            part / max(block.share, TINY) ** 0.5
            for part, block in zip(columns, blocks, strict=True)
        ]
        best = [block.share for block in blocks]
        score = self.judged(vectors)["score"]
        for _ in range(ROUNDS if len(blocks) > 1 else 0):
            for at, factor in product(range(len(blocks)), FACTORS):
                tried = [share * (factor if at == place else 1) for place, share in enumerate(best)]
                tried = [share / sum(tried) for share in tried]
                found = self.judged(_weighed(units, tried))["score"]
                if found > score:
                    best, score = tried, found
        return tuple(replace(block, share=share) for block, share in zip(blocks, best, strict=True))


def _weighed(units: list[Floats], shares: list[float]) -> Floats:
    parts = [part * share**0.5 for part, share in zip(units, shares, strict=True)]
    return np.ascontiguousarray(np.hstack(parts), dtype=np.float32)


def _mean(figures: npt.NDArray[np.float64]) -> float:
    known = figures[~np.isnan(figures)]
    return float(known.mean()) if len(known) else 0.0
