"""The one thing that brings a kind of recommendation on, in words."""

from __future__ import annotations

from reco_plugin import backends, conf
from reco_plugin.doctor.stock import MOST_COUNTED, Stock

LOOKS = "Send product_viewed and basket_item_added from your views."
AGAIN = (
    "It takes products that the same people buy again: bring past orders in (python manage.py "
    "reco_backfill), or look further back (RECO_BEHAVIOUR_DAYS)."
)
NEW = "Name the date a product became available: available_since of RECO_CATALOG."
MANUAL = "Link products by hand, in the admin under Links."
BACKFILL = "Bring your past orders in: python manage.py reco_backfill"
EYES = (
    "Choose a network that looks at pictures, RECO_ENCODER, and install the extra: "
    "pip install 'django-reco-plugin[images]'"
)
SEE = "Look at the pictures of your products: python manage.py reco_train --kind all"
LISTS = "Make the lists: python manage.py reco_train --kind lists"


def to_know(stock: Stock) -> str:
    """Where no product is known."""
    if stock.was_read:
        return (
            "Your catalogue was read and holds no product. Add products, or look at products() of "
            "RECO_CATALOG; then: python manage.py reco_sync_items"
        )
    return "Read your catalogue: python manage.py reco_sync_items"


def to_count(stock: Stock) -> str:
    """Towards what is popular."""
    if not stock.items:
        return to_know(stock)
    if not stock.interactions and conf.settings.ORDERS:
        return BACKFILL
    return "Count what is popular: python manage.py reco_train --kind popular"


def to_learn(stock: Stock, need: int, people: int) -> str:
    """Towards a personal run, which takes `need` interactions of `people` shoppers."""
    if not stock.items:
        return to_know(stock)
    if stock.interactions >= need and stock.shoppers >= people:
        if stock.refused:
            return f"The last training was not made live: {stock.refused}. See: manage.py reco_runs"
        return "There is enough to learn from: python manage.py reco_train"
    if not stock.interactions:
        return to_have_events()
    return (
        f"Wait for more: {counted(stock.interactions)} of {need:,} interactions and "
        f"{stock.shoppers:,} of {people:,} shoppers so far. Send product_viewed and "
        "basket_item_added from your views, and popular products are shown until then."
    )


def to_have_events() -> str:
    if conf.settings.ORDERS:
        return BACKFILL
    return "Name your orders in RECO_ORDERS (manage.py reco_init writes it), or send signals."


def to_relate(stock: Stock, relation: str) -> str:
    """Towards lists of what goes with what."""
    if not stock.interactions:
        return to_know(stock) if not stock.items else to_have_events()
    if "behaviour" not in stock.live:
        return "Count what goes with what: python manage.py reco_train --kind behaviour"
    if relation.startswith("viewed") and not stock.looks:
        return LOOKS
    return (
        "It grows with every visit and order. A pair takes "
        f"{conf.settings.MIN_PAIR_SHOPPERS} shoppers (RECO_MIN_PAIR_SHOPPERS); RECO_BEHAVIOUR_DAYS "
        "says how far back is read."
    )


def to_list(stock: Stock) -> str:
    """Towards any of the ranked lists."""
    if not stock.items:
        return to_know(stock)
    return (
        LISTS
        if "tail" not in stock.live
        else "Nothing to do: it grows with what is shown and liked."
    )


def to_see(stock: Stock) -> str:
    """Towards what looks alike."""
    if not stock.items:
        return to_know(stock)
    if not conf.settings.ENCODER:
        return EYES
    if "visual" in stock.live:
        return (
            f"{stock.items - stock.seen:,} products cannot be seen: give them pictures, and see in the admin under "
            "Pictures which were refused and why."
        )
    if not stock.pictures:
        return f"Name the pictures of your products: image and gallery of RECO_CATALOG. Then: {SEE}"
    if not stock.pictures.get("readable"):
        return "None of your pictures could be read: see in the admin under Pictures why."
    return f"{SEE} (it takes the extra: pip install 'django-reco-plugin[images]')"


def to_trend(stock: Stock) -> str:
    if not stock.interactions:
        return to_know(stock) if not stock.items else to_have_events()
    if "trending" not in stock.live:
        return LISTS
    return "Send product_viewed from your product page: the more is seen, the sooner it shows what rises."


def to_convert(stock: Stock) -> str:
    if not stock.looks:
        return LOOKS
    if "converting" not in stock.live:
        return LISTS
    return "It grows with every day of views and orders."


def to_reduce(stock: Stock) -> str:
    catalog = backends.catalog()
    if not catalog.perhaps_on_sale(catalog.products()).exists():
        return "Nothing is reduced. Is there a price before the reduction? Name it: list_price of RECO_CATALOG."
    return LISTS if "sale" not in stock.live else "Few products are reduced at present."


def counted(number: int) -> str:
    """A figure that was counted up to MOST_COUNTED."""
    return f"{number:,}" + (" or more" if number >= MOST_COUNTED else "")
