"""Which model holds the order lines, and how a line names its product and its order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reco_plugin.catalog.scaffold import words
from reco_plugin.catalog.scaffold.fields import (
    Field,
    Model,
    fields_of,
    is_integer,
    is_link,
    is_moment,
    is_number,
    pick,
)
from reco_plugin.catalog.scaffold.relations import Link, family
from reco_plugin.catalog.scaffold.words import tokens

ENOUGH = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """A model that looks like order lines."""

    link: Link
    order: Field | None
    """The foreign key to the order; None where a line is an order."""
    score: int

    @property
    def model(self) -> Model:
        return self.link.model

    @property
    def order_model(self) -> Model:
        return self.order.related_model if self.order is not None else self.model

    @property
    def before(self) -> str:
        """What a path to the order's own field begins with."""
        return f"{self.order.name}__" if self.order is not None else ""


def candidates(product: Model, links: list[Link]) -> list[Lines]:
    """Everything that may be order lines, the likeliest first; one entry per model."""
    best: dict[Model, Lines] = {}
    for link in links:
        found = _judged(product, link)
        held = best.get(link.model)
        if found.score >= ENOUGH and (held is None or found.score > held.score):
            best[link.model] = found
    return sorted(best.values(), key=lambda lines: -lines.score)


def _judged(product: Model, link: Link) -> Lines:
    order = next(_orders(product, link), None)
    score = _by_name(link.model) + _by_columns(link.model)
    if order is not None:
        score += 3 if tokens(order.related_model.__name__) & words.ORDER_WORDS else 2
    if link.is_soft or link.generic:
        score -= 1
    return Lines(link=link, order=order, score=score)


def _by_name(model: Model) -> int:
    told = tokens(model.__name__)
    joined = model.__name__.lower()
    is_order = bool(told & words.ORDER_WORDS) or "order" in joined
    is_line = bool(told & words.LINE_WORDS)
    never = told & words.NOT_ORDERS
    return 2 * is_order + 2 * is_line - 6 * bool(never)


def _by_columns(model: Model) -> int:
    has_quantity = pick(model, words.QUANTITY, is_number) is not None
    has_moment = any(is_moment(field) for field in fields_of(model))
    return int(has_quantity) + int(has_moment)


def _orders(product: Model, link: Link) -> Iterator[Field]:
    """Foreign keys to something that is called an order, by name of the model, then of the field."""
    kin = family(product) | ({link.through} if link.through else set())
    own = [one for one in fields_of(link.model) if is_link(one) and one.related_model not in kin]
    for one, name in [
        *((one, one.related_model.__name__) for one in own),
        *((one, one.name) for one in own),
    ]:
        told = tokens(name)
        if told & words.ORDER_WORDS and not told & (words.NOT_ORDERS | words.LINE_WORDS):
            yield one


def quantity(model: Model) -> Field | None:
    """Whole numbers before others, for 'amount' may be money."""
    for wanted in (is_integer, is_number):
        found = pick(model, words.QUANTITY, wanted, frozenset(("price", "cents", "total", "tax")))
        if found:
            return found.field
    return None
