"""Every source by the name that `kinds.KINDS` knows it by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast

from reco_plugin import backends
from reco_plugin.retrieval.base import Source
from reco_plugin.retrieval.because_you_viewed import BecauseYouViewed
from reco_plugin.retrieval.best_converting import BestConverting
from reco_plugin.retrieval.bought_bought import BoughtBought
from reco_plugin.retrieval.bought_together import BoughtTogether
from reco_plugin.retrieval.buy_again import BuyAgain
from reco_plugin.retrieval.continue_shopping import ContinueShopping
from reco_plugin.retrieval.kinds import added
from reco_plugin.retrieval.long_tail import LongTail
from reco_plugin.retrieval.manual import Manual
from reco_plugin.retrieval.new_arrivals import NewArrivals
from reco_plugin.retrieval.on_sale import OnSale
from reco_plugin.retrieval.personal import Personal
from reco_plugin.retrieval.popular import Popular, PopularInCategory
from reco_plugin.retrieval.recently_viewed import RecentlyViewed
from reco_plugin.retrieval.shop_the_look import ShopTheLook
from reco_plugin.retrieval.similar import Similar
from reco_plugin.retrieval.trending import Trending
from reco_plugin.retrieval.viewed_bought import ViewedBought
from reco_plugin.retrieval.viewed_viewed import ViewedViewed
from reco_plugin.retrieval.visually_similar import VisuallySimilar

OWN: Mapping[str, Source] = MappingProxyType(
    {
        "personal": Personal(),
        "contextual": Similar(),
        "visually_similar": VisuallySimilar(),
        "popular_in_category": PopularInCategory(),
        "popular": Popular(),
        "shop_the_look": ShopTheLook(),
        "bought_together": BoughtTogether(),
        "viewed_viewed": ViewedViewed(),
        "viewed_bought": ViewedBought(),
        "bought_bought": BoughtBought(),
        "because_you_viewed": BecauseYouViewed(),
        "recently_viewed": RecentlyViewed(),
        "continue_shopping": ContinueShopping(),
        "buy_again": BuyAgain(),
        "trending": Trending(),
        "best_converting": BestConverting(),
        "new_arrivals": NewArrivals(),
        "on_sale": OnSale(),
        "long_tail": LongTail(),
        "manual": Manual(),
    }
)
"""Those that come with the app."""


class _Sources(Mapping[str, Source]):
    """Ours, and those that RECO_SOURCES names. Raises ImproperlyConfigured for a path that leads nowhere."""

    def __getitem__(self, name: str) -> Source:
        if name in OWN:
            return OWN[name]
        return _made(added()[name])

    def __iter__(self) -> Iterator[str]:
        yield from OWN
        yield from (name for name in added() if name not in OWN)

    def __len__(self) -> int:
        return len(set(OWN) | set(added()))


def _made(path: str) -> Source:
    maker = backends.hook("RECO_SOURCES", path)
    assert maker is not None
    return cast("Source", maker())


SOURCES: Mapping[str, Source] = _Sources()
