"""A first catalogue and order mapping, drawn from the shop's own models. Reads models, not data
(but for the statuses of orders where no model lists them)."""

from __future__ import annotations

from dataclasses import dataclass

from reco_plugin.catalog.scaffold import project
from reco_plugin.catalog.scaffold.addresses import draw_url
from reco_plugin.catalog.scaffold.eligible import draw_eligible
from reco_plugin.catalog.scaffold.fields import Model
from reco_plugin.catalog.scaffold.guess import Guess
from reco_plugin.catalog.scaffold.lines import candidates
from reco_plugin.catalog.scaffold.orders import draw_orders
from reco_plugin.catalog.scaffold.product import draw_product
from reco_plugin.catalog.scaffold.project import Place
from reco_plugin.catalog.scaffold.relations import links
from reco_plugin.catalog.scaffold.sketch import Sketch
from reco_plugin.catalog.scaffold.words import VARIANT_WORDS, tokens
from reco_plugin.catalog.scaffold.write import source

__all__ = ["Draft", "Guess", "Place", "draft", "products"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What would be written, and why."""

    product: str
    place: Place
    source: str
    settings: tuple[str, ...]
    guesses: tuple[Guess, ...]
    notes: tuple[str, ...]


def draft(product: Model, app_label: str = "") -> Draft:
    """Look at `product` and everything around it. Raises LookupError for an unknown `app_label`."""
    where = project.place(product, app_label)
    around = links(product)
    catalog, orders = Sketch(product=product), Sketch(product=product)
    draw_product(catalog, around)
    draw_eligible(catalog, around)
    draw_url(catalog)
    draw_orders(orders, candidates(product, around))
    has_orders = "model" in orders.attributes
    stem = product._meta.app_label.title().replace("_", "")
    names = (f"{stem}Catalog", f"{stem}Orders")
    return Draft(
        product=product._meta.label,
        place=where,
        source=source(catalog, orders if has_orders else None, names),
        settings=tuple(
            project.settings_lines(product, where.module, names[0], names[1] if has_orders else "")
        ),
        guesses=(*catalog.guesses, *orders.guesses),
        notes=tuple(_notes(product)),
    )


def _notes(product: Model) -> list[str]:
    notes = []
    if tokens(product.__name__) & VARIANT_WORDS:
        notes.append(
            f"{product._meta.label} looks like a variant. If tiles should show the whole product, run "
            "this for the model it belongs to."
        )
    if project.lacks_request_processor():
        notes.append(f"Add '{project.REQUEST}' to the context_processors in TEMPLATES.")
    return notes


def products(models: list[Model]) -> list[str]:
    """Labels of the models that look most like a product, best first."""
    ranked = sorted((-_likeness(model), model._meta.label) for model in models)
    return [label for likeness, label in ranked if likeness < 0][:5]


def _likeness(model: Model) -> int:
    told = tokens(model.__name__)
    if told == {"product"}:
        return 5
    wanted = {"product", "article", "item", "book", "good", "merchandise"}
    if not told & wanted or told & (
        VARIANT_WORDS | {"order", "cart", "basket", "line", "image", "type"}
    ):
        return 0
    return 3 - len(told) if len(told) < 3 else 0
