# ruff: noqa: E501 - tables read best with one row to a line
"""The UCI Online Retail log as a shop: its goods, customers, guests, orders and refunds."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection
from django.utils.text import slugify

from example_shop.demo.goods import Assortment, ProductPlan
from example_shop.demo.history import PASSWORD, random_visitor
from example_shop.demo.order_log import OrderLog, read
from example_shop.demo.report import Report
from example_shop.demo.sketch import Look
from example_shop.demo.vocabulary import COLOURS
from example_shop.shop.models import Order, OrderLine, Product

BATCH = 2_000
STOCK = 40
REST = "Everything else"
CATEGORIES: dict[str, tuple[str, str]] = {
    "Christmas": ("parcel", "CHRISTMAS XMAS SANTA REINDEER ADVENT SNOWFLAKE SNOWMAN BAUBLE NOEL"),
    "Bags": ("tote", "BAG BAGS SHOPPER RUCKSACK PURSE HANDBAG WASHBAG"),
    "Mugs & cups": ("mug", "MUG MUGS CUP CUPS TEACUP TEAPOT COFFEE BEAKER"),
    "Candles & lights": ("candle", "CANDLE CANDLES T-LIGHT LANTERN LIGHT LIGHTS LAMP CANDLESTICK INCENSE"),
    "Kitchen & table": ("bowl", "BOWL PLATE PLATES CAKE CAKES JAR BAKING KITCHEN SPOON TRAY DISH GLASS APRON LUNCH BOTTLE JUG RECIPE NAPKINS COASTER COASTERS"),
    "Clocks & frames": ("clock", "CLOCK FRAME MIRROR PHOTO PICTURE"),
    "Textiles": ("cushion", "CUSHION QUILT BLANKET THROW TOWEL RUG DOORMAT TABLECLOTH COVER"),
    "Garden": ("vase", "GARDEN PLANT VASE FLOWER WATERING BIRD POT PLANTER SEEDS"),
    "Jewellery": ("watch", "NECKLACE EARRINGS BRACELET RING BROOCH PENDANT HAIR BANGLE"),
    "Cards & paper": ("parcel", "CARD CARDS WRAP PAPER NOTEBOOK STICKERS RIBBON RIBBONS TISSUE PENCILS BUNTING GARLAND"),
    "Storage": ("parcel", "BOX BOXES BASKET CABINET DRAWER DRAWERS TIN TINS STORAGE HOOK HOOKS HANGER"),
    "Toys & games": ("parcel", "TOY GAME GAMES DOLL PUZZLE CHILDRENS KIDS SOLDIER SPACEBOY DOLLY"),
    "Hearts & signs": ("parcel", "HEART HEARTS SIGN DECORATION DECORATIONS WREATH HANGING"),
}  # fmt: skip
WORDS = {word: name for name, (_, words) in CATEGORIES.items() for word in words.split()}


def load(path: Path) -> tuple[Assortment, OrderLog]:
    """The assortment and the order lines behind it. Raises UnknownData."""
    log = read(path)
    plans = tuple(_plans(log))
    return (
        Assortment(
            products=plans,
            departments=(*CATEGORIES, REST),
            personas=(),
            notice=(
                "Orders: UCI Online Retail (CC BY 4.0), dates moved to end yesterday. Categories are "
                "guessed from words in the descriptions; the pictures are drawn, not photographs."
            ),
            report=log.report,
        ),
        log,
    )


def populate(
    log: OrderLog,
    plans: Sequence[ProductPlan],
    products: Sequence[Product],
    now: dt.datetime,
    report: Report,
) -> tuple[dict[str, int], list[dict[str, str]]]:
    """Write customers, orders and lines; returns counts and the logins. Call it in a transaction."""
    keys = {plan.slug: product for plan, product in zip(plans, products, strict=True)}
    by_code = {code: keys[_slug(code)] for code in set(log.code.tolist())}
    users = _customers(log)
    orders = _orders(log, users, now)
    _copy_lines(log, orders, by_code, report)
    counts = {
        "shoppers": len(users),
        "guests": sum(order.user_id is None for order in orders.values()),
        "orders": len(orders),
        "order_lines": len(log.code),
        "refunded": int(log.refunded.sum()),
    }
    return counts, _open_accounts(log, users, by_code)


def _plans(log: OrderLog) -> Iterator[ProductPlan]:
    """One product per code: its most usual description, its median price."""
    order = np.argsort(log.code, kind="stable")
    codes, starts = np.unique(log.code[order], return_index=True)
    groups = np.split(order, starts[1:])
    end = log.at.max()
    for code, rows in zip(codes.tolist(), groups, strict=True):
        words = Counter(text for text in log.description[rows].tolist() if text)
        raw = words.most_common(1)[0][0] if words else f"Article {code}"
        yield _plan(code, raw, float(np.median(log.price[rows])), (end - log.at[rows].min()))


def _plan(code: str, raw: str, price: float, age: Any) -> ProductPlan:
    category = categorise(raw)
    shape = CATEGORIES.get(category, ("parcel", ""))[0]
    names = list(COLOURS)
    pick = int(code[:5])
    colour, accent = names[pick % 7], names[7 + pick % 5]
    return ProductPlan(
        slug=_slug(code),
        title=raw.capitalize(),
        description=f"{raw.capitalize()}. Article number {code}.",
        category=(category,),
        brand="",
        price=max(Decimal(str(round(price, 2))), Decimal("0.01")),
        picture=f"products/tile-{shape}-{colour}-{accent}.webp".lower(),
        shape=shape,
        look=Look(colour=COLOURS[colour], accent=COLOURS[accent]),
        stock=(STOCK,),
        days_old=age / np.timedelta64(1, "D") + 1,
    )


def categorise(description: str) -> str:
    """The category of the last telling word; English puts the head of a phrase last."""
    words = description.upper().replace(",", " ").split()
    found = [WORDS[word] for word in words if word in WORDS]
    if "Christmas" in found:
        return "Christmas"
    return found[-1] if found else REST


def _slug(code: str) -> str:
    return slugify(f"article-{code}")


def _customers(log: OrderLog) -> dict[str, int]:
    names = sorted(set(log.customer.tolist()) - {""})
    locked = make_password(None)
    made = User.objects.bulk_create(
        (User(username=f"customer-{name}", password=locked) for name in names), batch_size=BATCH
    )
    return dict(zip(names, (user.pk for user in made), strict=True))


def _number(invoice: str, refunded: bool) -> str:
    """What was cancelled of an invoice is an order of its own, refunded."""
    return f"{invoice}-R" if refunded else invoice


def _orders(log: OrderLog, users: dict[str, int], now: dt.datetime) -> dict[str, Order]:
    """Order per number; dates are moved by whole days so that the last is yesterday."""
    rng = np.random.default_rng(11)
    last = log.at.max().astype(dt.datetime).replace(tzinfo=dt.UTC)
    shift = dt.timedelta(days=(now - last).days - 1)
    orders: dict[str, Order] = {}
    columns = (log.invoice, log.customer, log.at.astype(object), log.refunded)
    for invoice, customer, at, refunded in zip(*(c.tolist() for c in columns), strict=True):
        number = _number(invoice, refunded)
        if number not in orders:
            placed = at.replace(tzinfo=dt.UTC) + shift
            orders[number] = Order(
                number=number,
                user_id=users.get(customer),
                visitor="" if customer else str(random_visitor(rng)),
                status=Order.Status.REFUNDED if refunded else Order.Status.PAID,
                placed_at=placed,
                changed_at=placed,
            )
    Order.objects.bulk_create(orders.values(), batch_size=BATCH)
    return orders


def _copy_lines(
    log: OrderLog, orders: dict[str, Order], products: dict[str, Product], report: Report
) -> None:
    """About a million lines: by COPY, as a shop's own import would."""
    keys = {number: order.pk for number, order in orders.items()}
    goods = {code: (product.pk, product.title[:250]) for code, product in products.items()}
    columns = (log.invoice, log.refunded, log.code, log.quantity, log.price)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    names = ("order_id", "product_id", "title", "quantity", "price")
    quoted = ", ".join(connection.ops.quote_name(name) for name in names)
    table = connection.ops.quote_name(OrderLine._meta.db_table)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({quoted}) FROM STDIN") as copy,
    ):
        for invoice, refunded, code, quantity, price in report.bar(
            rows, "Writing order lines", total=len(log.code)
        ):
            key = keys[_number(invoice, refunded)]
            copy.write_row((key, *goods[code], quantity, f"{price:.2f}"))


def _open_accounts(
    log: OrderLog, users: dict[str, int], products: dict[str, Product]
) -> list[dict[str, str]]:
    """Three customers with a clear taste get the demo's password."""
    mine = np.flatnonzero((log.customer != "") & ~log.refunded)
    lines = Counter(log.customer[mine].tolist())
    busy = [name for name, count in lines.most_common(400) if 60 <= count <= 400]
    tastes = {name: Counter[str]() for name in busy}
    for name, code in zip(log.customer[mine].tolist(), log.code[mine].tolist(), strict=True):
        if name in tastes:
            tastes[name][products[code].category.name] += 1
    clear = sorted(busy, key=lambda name: -_share(tastes[name]))[:3]
    User.objects.filter(pk__in=[users[name] for name in clear]).update(
        password=make_password(PASSWORD)
    )
    return [{"username": f"customer-{name}", "taste": _described(tastes[name])} for name in clear]


def _share(taste: Counter[str]) -> float:
    """Of the largest category, not counting what could not be categorised."""
    named = Counter({name: count for name, count in taste.items() if name != REST})
    return max(named.values(), default=0) / max(sum(taste.values()), 1)


def _described(taste: Counter[str]) -> str:
    usual = ", ".join(name for name, _ in taste.most_common(2))
    return f"bought {sum(taste.values())} times, mostly {usual}"
