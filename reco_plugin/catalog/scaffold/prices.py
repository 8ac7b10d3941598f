"""Where a product's price is: a field, a small coin, another table, a variant's."""

from __future__ import annotations

from reco_plugin.catalog.scaffold import words
from reco_plugin.catalog.scaffold.fields import (
    Picked,
    computed,
    is_cents,
    is_integer,
    is_label,
    is_money,
    is_number,
    pick,
)
from reco_plugin.catalog.scaffold.relations import Link
from reco_plugin.catalog.scaffold.sketch import Sketch
from reco_plugin.catalog.scaffold.words import tokens


def draw_price(sketch: Sketch, links: list[Link]) -> None:
    found = pick(sketch.product, (*words.PRICE, *words.CENTS), is_number, words.NOT_THE_PRICE)
    if found:
        _own(sketch, found)
        return _before(sketch, found)
    if name := computed(sketch.product, (*words.PRICE, "get_price")):
        sketch.set_path("price", name)
        return sketch.say("product.price", name, "likely", "worked out by the product")
    for link in links:
        row = _of_row(link)
        if row:
            return _related(sketch, link, row)
    return sketch.say("product.price", "", "unsure", "no number looks like one")


def _own(sketch: Sketch, found: Picked) -> None:
    if is_cents(found.field):
        sketch.methods["get_price"] = (
            "    def get_price(self, product):\n"
            f"        cents = product.{found.name}\n"
            "        return None if cents is None else cents / 100\n"
        )
        return sketch.say("product.price", found.name, "likely", "in cents", found.others)
    if is_money(found.field):
        sketch.set_path("price", f"{found.name}.amount")
        return sketch.say("product.price", found.name, "sure", "an amount with a currency")
    if is_integer(found.field):
        remark = "a whole number: if it is in cents, override get_price()"
        sketch.set_path("price", found.name, remark)
        return sketch.say(
            "product.price", found.name, "unsure", "a whole number: cents?", found.others
        )
    sketch.set_path("price", found.name)
    return sketch.say("product.price", found.name, found.sure, "", found.others)


def _before(sketch: Sketch, price: Picked) -> None:
    """The price before a reduction, where there is one in the same kind of money."""
    found = pick(sketch.product, words.LIST_PRICE, is_number)
    if found is None or found.name == price.name or _kind(found) != _kind(price):
        return
    if is_cents(found.field):
        sketch.methods["get_list_price"] = (
            "    def get_list_price(self, product):\n"
            f"        cents = product.{found.name}\n"
            "        return None if cents is None else cents / 100\n"
        )
    else:
        sketch.set_path("list_price", found.name + (".amount" if is_money(found.field) else ""))
    sketch.say("product.list_price", found.name, "likely", "the price before a reduction")


def _kind(price: Picked) -> tuple[bool, bool, bool]:
    return is_cents(price.field), is_money(price.field), is_integer(price.field)


def _of_row(link: Link) -> Picked | None:
    name = tokens(link.name)
    if not link.accessors or name & words.NOT_ORDERS - {"stock", "price", "inventory"}:
        return None
    if not name & words.PRICE_WORDS and not _is_stock(link):
        return None
    return pick(link.model, (*words.PRICE, *words.CENTS), is_number, words.NOT_THE_PRICE)


def _is_stock(link: Link) -> bool:
    return bool(tokens(link.name) & words.STOCK_WORDS) and bool(
        pick(link.model, ("price",), is_number, words.NOT_THE_PRICE)
    )


def _related(sketch: Sketch, link: Link, found: Picked) -> None:
    """The price of the one row that belongs to the product, or the lowest of several."""
    divisor = " / 100" if is_cents(found.field) else ""
    value = f"row.{found.name}" + (".amount" if is_money(found.field) else "")
    told = f"{'.'.join(link.accessors)}.{found.name}"
    rows = "__".join(link.accessors)
    sketch.prefetched.append(rows)
    sketch.shown_with.append(rows)  # a tile shows the price
    if link.is_one:
        sketch.methods["get_price"] = (
            "    def get_price(self, product):\n"
            f'        row = getattr(product, "{link.accessors[0]}", None)\n'
            f"        if row is None or row.{found.name} is None:\n"
            "            return None\n"
            f"        return float({value}){divisor}\n"
        )
        return sketch.say("product.price", told, "likely", f"its {link.name}", found.others)
    loops = _loops(link)
    sketch.methods["get_price"] = (
        "    def get_price(self, product):\n"
        "        prices = [\n"
        f"            {value}\n"
        + "".join(f"            {line}\n" for line in loops)
        + f"            if row.{found.name} is not None\n"
        "        ]\n"
        f"        return float(min(prices)){divisor} if prices else None\n"
    )
    sketch.remarks["get_price"] = f"the lowest of its {link.name} rows; is that what you charge?"
    if currency := pick(link.model, words.CURRENCY, is_label):
        sketch.remarks["get_price"] = (
            f"the lowest of its {link.name} rows in ANY {currency.name}: add a condition on "
            f"row.{currency.name}"
        )
        why = f"the lowest of {link.name}, whatever its {currency.name}"
        return sketch.say("product.price", told, "unsure", why, found.others)
    return sketch.say("product.price", told, "likely", f"the lowest of {link.name}", found.others)


def _loops(link: Link) -> list[str]:
    if len(link.accessors) == 1:
        return [f"for row in product.{link.accessors[0]}.all()"]
    first, second = link.accessors
    return [f"for variant in product.{first}.all()", f"for row in variant.{second}.all()"]
