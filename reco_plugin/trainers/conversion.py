"""What sells to those who look: view → cart → purchase, by distinct shoppers.

A product's rate is P(cart | view) · P(purchase | cart), each drawn to what is usual in the shop by a Beta
prior fitted to it (`trainers.rates`): where purchases are few, carts decide. Ranked by what the rate surely
reaches, so that 1 of 1 does not win.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reco_plugin.trainers import rates
from reco_plugin.types import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Funnel:
    """Distinct shoppers per item, all float32 (n_items,); bought <= carted <= viewed."""

    viewed: Floats
    carted: Floats
    """Of those who viewed: put it into the cart, or bought it."""
    bought: Floats
    """Of those: bought it and kept it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Conversion:
    """How well each item sells."""

    scores: Floats
    """(n_items,) the rate view → purchase that an item surely reaches, 0..1; 0 where nobody viewed or wanted it."""
    to_cart: float
    """The whole shop's rate view → cart."""
    to_purchase: float
    """The whole shop's rate view → purchase."""


def conversion(funnel: Funnel) -> Conversion:
    """Rank by the rate. Where nobody, or everybody, who viewed went on, there is nothing to tell products apart by."""
    viewed = float(funnel.viewed.sum())
    scores = np.zeros(len(funnel.viewed), np.float32)
    told = np.flatnonzero(funnel.carted)
    if len(told):
        scores[told] = _surely(
            funnel.viewed[told], funnel.carted[told], funnel.bought[told], funnel
        )
    return Conversion(
        scores=scores,
        to_cart=float(funnel.carted.sum()) / viewed if viewed else 0.0,
        to_purchase=float(funnel.bought.sum()) / viewed if viewed else 0.0,
    )


def _surely(viewed: Floats, carted: Floats, bought: Floats, shop: Funnel) -> Floats | float:
    """The bound of both steps, or of the one in which products differ."""
    cart = rates.fit_prior(shop.carted, shop.viewed)
    buy = rates.fit_prior(shop.bought, shop.carted)
    if cart is None and buy is None:
        return 0.0
    if buy is None:
        assert cart is not None
        return rates.surely(carted, viewed, cart).astype(np.float32)
    if cart is None:
        return rates.surely(bought, carted, buy).astype(np.float32)
    first = rates.posterior(carted, viewed, cart)
    then = rates.posterior(bought, carted, buy)
    return rates.both(first, then).astype(np.float32)
