"""The kinds of recommendation there are, and the sources that answer each, best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.conf import settings

from reco_plugin import conf


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of slate."""

    name: str
    sources: tuple[str, ...]
    """Names in `retrieval.SOURCES`: the ladder, best first."""
    needs: str = ""
    """What it cannot do without: 'product', 'basket' (a product, a cart or an order just made),
    'shopper', or ''."""
    completes: bool = False
    """Does it complete a look? Then no product is of a category that is on the page or in the cart, and
    each matches what it stands beside by sight, whatever the placement says."""
    shows_bought: bool = False
    """Is what was bought lately what it is about? Then RECO_EXCLUDE_PURCHASED_DAYS does not apply."""


_POPULAR = ("popular_in_category", "popular")

_ALL = (
    Kind(name="personal", sources=("personal", "contextual", *_POPULAR)),
    Kind(name="similar", sources=("contextual", "visually_similar", *_POPULAR), needs="product"),
    Kind(name="visually_similar", sources=("visually_similar",), needs="product"),
    Kind(name="shop_the_look", sources=("shop_the_look",), needs="basket", completes=True),
    Kind(name="bought_together", sources=("bought_together",), needs="basket"),
    Kind(name="viewed_viewed", sources=("viewed_viewed",), needs="product"),
    Kind(name="viewed_bought", sources=("viewed_bought",), needs="product"),
    Kind(name="bought_bought", sources=("bought_bought",), needs="basket"),
    Kind(name="because_you_viewed", sources=("because_you_viewed",), needs="shopper"),
    Kind(name="recently_viewed", sources=("recently_viewed",), needs="shopper"),
    Kind(name="continue_shopping", sources=("continue_shopping",), needs="shopper"),
    Kind(name="buy_again", sources=("buy_again",), needs="shopper", shows_bought=True),
    Kind(name="trending", sources=("trending", *_POPULAR)),
    Kind(name="popular", sources=_POPULAR),
    Kind(name="best_converting", sources=("best_converting", *_POPULAR)),
    Kind(name="new_arrivals", sources=("new_arrivals",)),
    Kind(name="on_sale", sources=("on_sale",)),
    Kind(name="long_tail", sources=("long_tail",)),
    Kind(name="manual", sources=("manual",), needs="basket"),
)

OWN: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""Those that come with the app."""


class _Kinds(Mapping[str, Kind]):
    """Ours, and one of each source that RECO_SOURCES names."""

    def __getitem__(self, name: str) -> Kind:
        if name in OWN:
            return OWN[name]
        if name in added():
            return Kind(name=name, sources=(name,))
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield from OWN
        yield from (name for name in added() if name not in OWN)

    def __len__(self) -> int:
        return len(set(OWN) | set(added()))


KINDS: Mapping[str, Kind] = _Kinds()


def added() -> Mapping[str, str]:
    """The shop's own sources: dotted paths by name. Nothing outside a project."""
    return conf.settings.SOURCES if settings.configured else {}
