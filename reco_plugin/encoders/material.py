"""What there is to learn from: pictures, what is known of them, and which of them train. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reco_plugin.encoders import recipe, sampling
from reco_plugin.encoders.base import Pixels
from reco_plugin.encoders.recipe import Recipe
from reco_plugin.encoders.weights import Block
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.types import Ints

FEWEST = 16
"""Pictures that train, at least."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """One lesson."""

    pictures: Pixels
    labels: Mapping[str, Ints]
    products: Ints
    partners: sampling.Partners
    held: npt.NDArray[np.bool_]
    recipe: Recipe
    seed: int

    @property
    def epochs(self) -> sampling.Epochs:
        rows = np.flatnonzero(~self.held)
        return sampling.Epochs(
            rows=rows,
            products=self.products,
            partners=self.partners,
            batch=min(self.recipe.batch, len(rows)),
            seed=self.seed,
        )

    @property
    def blocks(self) -> tuple[Block, ...]:
        return recipe.blocks_for(self.counts, self.recipe)

    @property
    def counts(self) -> dict[str, int]:
        """Classes of each attribute."""
        return {name: int(codes.max()) + 1 for name, codes in self.labels.items()}


def material(  # noqa: PLR0917
    pictures: Pixels,
    labels: Mapping[str, Ints],
    products: Ints,
    pairs: Ints,
    taught: Recipe,
    seed: int,
) -> Material:
    """The lesson of these pictures, see `training.fine_tune`. Raises NotEnoughData, ValueError."""
    _check(pictures, labels, products)
    held = sampling.held_out(products, taught.holdout, seed)
    kept = recipe.usable(labels, ~held)
    partners = sampling.Partners.of(pairs, products[~held])
    if (~held).sum() < FEWEST or not held.any() or not (kept or len(partners)):
        raise NotEnoughData(
            f"There are {int((~held).sum())} pictures to learn from (at least {FEWEST} are needed) and "
            f"{int(held.sum())} held out to judge by (at least one is needed), "
            f"{len(kept)} attributes with two or more values and {len(partners) // 2} pairs of products "
            "(one of either is needed)."
        )
    return Material(
        pictures=pictures,
        labels=kept,
        products=products,
        partners=partners,
        held=held,
        recipe=taught.within(int((~held).sum())),
        seed=seed,
    )


def _check(pictures: Pixels, labels: Mapping[str, Ints], products: Ints) -> None:
    n, side = len(pictures), pictures.shape[1] if pictures.ndim == 4 else 0
    if pictures.dtype != np.uint8 or pictures.shape != (n, side, side, 3):
        raise ValueError(
            f"Pictures must be uint8 (n, S, S, 3), not {pictures.dtype} {pictures.shape}."
        )
    for name, codes in (("products", products), *labels.items()):
        if codes.shape != (n,):
            raise ValueError(f"There are {n} pictures, but {name} is of shape {codes.shape}.")


def names(
    labels: Mapping[str, Ints], classes: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    """The names of the codes of each attribute; the codes themselves where none are given."""
    found = {}
    for name, codes in labels.items():
        given = tuple((classes or {}).get(name, ()))
        found[name] = given or tuple(str(code) for code in range(int(codes.max()) + 1))
        if len(found[name]) <= codes.max():
            raise ValueError(f"{name} has code {codes.max()}, but only {len(given)} names.")
    return found
