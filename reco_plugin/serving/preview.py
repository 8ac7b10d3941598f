"""What a placement would show, whether it is active or not: for those who arrange them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from reco_plugin.serving.answers import answer
from reco_plugin.serving.asking import ask_of, circumstances
from reco_plugin.serving.ladder import climb
from reco_plugin.serving.recommend import guarded
from reco_plugin.serving.shared import shared_of
from reco_plugin.types import PlacementSpec, Shopper, Slate


def preview(
    spec: PlacementSpec,
    site: int,
    *,
    shopper: Shopper | None = None,
    product: Any = None,
    category: str = "",
    cart: Iterable[Any] = (),
) -> Slate:
    """The slate that `spec` gives this shopper, or a stranger, on a page about `product` or `category`.

    Nothing is recorded, and nothing of the caller's own request plays a part. Never raises; what goes
    wrong is in the notes. RECO_DEBUG_RAISE lets errors through.
    """

    def made() -> Slate:
        found = circumstances(
            request=None, shopper=shopper, product=product, category=category, cart=cart
        )
        ask = ask_of(spec, replace(found, site=site))
        shared = shared_of(ask.of)
        return answer(ask, climb(ask, shared), shared)

    return guarded(spec.slug, spec.slug, made)
