"""Which spots a shop's pages have: its own Placement rows, laid over those that come with the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reco_plugin import conf
from reco_plugin.models import Placement
from reco_plugin.types import Filter, KindShare, PlacementSpec


def _spec(slug: str, page: str, order: int, *kinds: str, **rest: Any) -> PlacementSpec:
    shares = tuple(KindShare(kind=kind) for kind in kinds)
    return PlacementSpec(slug=slug, page=page, order=order, kinds=shares, **rest)


PRESETS: tuple[PlacementSpec, ...] = (
    _spec("home_for_you", "home", 10, "personal", diversity=0.3, caps={"brand": 3}, explore=0.1),
    _spec("home_popular", "home", 20, "popular", fallback=()),
    _spec("product_similar", "product", 10, "similar", must_match=("gender", "age_group")),
    _spec("product_together", "product", 20, "bought_together", max_items=4, fallback=()),
    _spec("cart_together", "cart", 10, "bought_together", max_items=4),
)
"""What is in force where the shop has no row of that name."""


def in_force(site: int, using: str | None = None) -> Mapping[str, PlacementSpec]:
    """Every placement of a site by name, drafts among them, in one statement."""
    rows = Placement.objects.using(using or conf.settings.DATABASE).filter(site=site)
    found = {spec.slug: spec for spec in PRESETS}
    return found | {row.slug: spec_of(row) for row in rows}


def spec_of(row: Placement) -> PlacementSpec:
    """A row as ranking understands it. Raises ValueError where its JSON is not what it should be."""
    try:
        return PlacementSpec(
            slug=row.slug,
            page=row.page,
            order=row.order,
            title=row.title,
            kinds=tuple(KindShare(**each) for each in row.kinds),
            fallback=tuple(row.fallback),
            min_items=row.min_items,
            max_items=row.max_items,
            filters=tuple(Filter(**each) for each in row.filters),
            must_match=tuple(row.must_match),
            must_differ=tuple(row.must_differ),
            diversity=row.diversity,
            caps=dict(row.caps),
            rotate_after=row.rotate_after,
            explore=row.explore,
            is_active=row.is_active,
        )
    except TypeError as error:
        raise ValueError(f"Placement {row.slug!r} cannot be read: {error}") from error
