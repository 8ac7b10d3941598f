"""How a network is taught: hyper-parameters, and what is made of the shop's labels. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reco_plugin import hyperparameters
from reco_plugin.encoders.weights import ARCHITECTURES, STEMS, Block
from reco_plugin.types import Ints

PRECISIONS = ("auto", "float32", "bfloat16")
ALL = "all"
"""The block of a shop without a single usable attribute: taught by pairs of products alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Hyper-parameters. The defaults were chosen on a catalogue of 9,000 products of fashion."""

    architecture: str = "resnet18"
    stem: str = "imagenet"
    size: int = 96
    """Pixels of each side in the last epochs and ever after."""
    first_size: int = 64
    """The same in the first epochs, which are many times cheaper."""
    epochs: int = 60
    """Passes over the pictures that train; early stopping may take fewer."""
    most: int = 600_000
    """Most pictures that are looked at in all epochs together: a large catalogue needs fewer passes."""
    batch: int = 64
    learning_rate: float = 0.08
    """Of a batch of 64 with momentum 0.9, at the height of the cycle."""
    body_rate: float = 0.2
    """What the body's rate is multiplied by when it starts from learnt weights."""
    weight_decay: float = 5e-4
    smoothing: float = 0.1
    """Of labels: how much of each goes to the other classes."""
    scale: float = 16.0
    """Of cosines before the softmax."""
    block: int = 64
    """Most numbers that tell the classes of one attribute apart."""
    others: float = 0.4
    """Weight of the loss of each attribute but the first, whose weight is 1."""
    first_share: float = 0.5
    """Share of the first attribute in the similarity of two pictures, while it learns; the others divide the
    rest. In the end the shares are those that find best on the hold-out."""
    together: int = 3
    """So many attributes, the most important, are wanted to agree all at once."""
    contrast: float = 0.5
    """Weight of the loss that pulls together what agrees or is bought together; 0 leaves it out."""
    temperature: float = 0.1
    crop: float = 0.5
    light: float = 0.12
    erase: float = 0.25
    """See `augment.Strength`."""
    average: float = 0.998
    """Weights are averaged over the last 1 / (1 - average) steps."""
    holdout: float = 0.1
    """Share of the products that training never sees: for early stopping and for the figures of the run."""
    validate_every: int = 4
    """Epochs between two looks at the hold-out."""
    patience: int = 4
    """Looks without a better figure before training ends; 0 trains to the end."""
    gallery: int = 2_000
    """Most pictures, beside the hold-out, that a look searches through."""
    precision: str = "auto"
    flip: bool = False
    """Let the encoder look at the mirror image too: a little better, twice the time."""

    def __post_init__(self) -> None:
        hyperparameters.choice("architecture", self.architecture, ARCHITECTURES)
        hyperparameters.choice("stem", self.stem, STEMS)
        hyperparameters.choice("precision", self.precision, PRECISIONS)
        require = hyperparameters.require
        for name in ("size", "first_size"):
            require(getattr(self, name) >= 32, f"{name} must be at least 32 pixels.")
        require(self.batch >= 2, "batch must be at least 2.")
        for name in ("epochs", "block", "validate_every", "gallery", "together", "most"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        for name in ("learning_rate", "body_rate", "scale", "temperature"):
            value = getattr(self, name)
            require(0 < value < math.inf, f"{name} must be a positive, finite number.")
        for name in ("weight_decay", "contrast", "patience", "others"):
            require(getattr(self, name) >= 0, f"{name} must not be negative.")
        for name in ("smoothing", "average", "erase", "light"):
            require(0 <= getattr(self, name) < 1, f"{name} must be from 0 up to below 1.")
        for name in ("first_share", "crop"):
            require(0 < getattr(self, name) <= 1, f"{name} must be above 0, and at most 1.")
        require(0 < self.holdout <= 0.5, "holdout must be above 0, and at most a half.")

    def within(self, pictures: int) -> Recipe:
        """The recipe for so many pictures that train: as many whole epochs as `most` allows, at least one."""
        return replace(self, epochs=max(min(self.epochs, self.most // max(pictures, 1)), 1))

    def size_at(self, epoch: int) -> int:
        """Pixels of each side in an epoch, from 1: small at first, full for the last third."""
        share = min((epoch - 1) / max(self.epochs * 2 / 3, 1), 1.0)
        if self.first_size >= self.size or share >= 1:
            return self.size
        return self.first_size + int((self.size - self.first_size) * share) // 16 * 16

    def rate_at(self, done: float) -> float:
        """The learning rate when a share of all steps is done: up for a tenth, then down as a cosine does
        (one cycle: Smith & Topin 2017, arXiv 1708.07120)."""
        rise = 0.1
        if done < rise:
            return self.learning_rate * (0.04 + 0.96 * done / rise)
        return self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * (done - rise) / (1 - rise)))


def read(config: Mapping[str, Any] | None) -> Recipe:
    """A recipe from a mapping laid over the defaults. Raises ValueError for what it does not know."""
    return hyperparameters.read(Recipe, config)


def usable(labels: Mapping[str, Ints], train: Sequence[bool] | Any) -> dict[str, Ints]:
    """The labels that tell at least two classes apart among the pictures that train."""
    return {
        name: codes
        for name, codes in labels.items()
        if len(np.unique(codes[train][codes[train] >= 0])) >= 2
    }


def blocks_for(counts: Mapping[str, int], recipe: Recipe) -> tuple[Block, ...]:
    """A block for each attribute, as wide as its classes need, by number of classes."""
    if not counts:
        return (Block(name=ALL, size=2 * recipe.block, share=1.0),)
    rest = (1 - recipe.first_share) / max(len(counts) - 1, 1)
    return tuple(
        Block(
            name=name,
            size=_width(count, recipe.block),
            share=(recipe.first_share if at == 0 else rest) if len(counts) > 1 else 1.0,
        )
        for at, (name, count) in enumerate(counts.items())
    )


def _width(classes: int, most: int) -> int:
    return min(max(1 << (max(classes, 2) - 1).bit_length(), 8), most)
