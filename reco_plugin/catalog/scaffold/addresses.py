"""Where a product's page is, for products that do not say so themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from reco_plugin.catalog.scaffold.fields import Model, fields_of
from reco_plugin.catalog.scaffold.sketch import Sketch
from reco_plugin.catalog.scaffold.words import tokens

WORDS = frozenset(("product", "products", "item", "article", "detail", "shop"))


def draw_url(sketch: Sketch) -> None:
    """`url()`, unless the product has get_absolute_url()."""
    product = sketch.product
    if hasattr(product, "get_absolute_url"):
        return sketch.say("product.url", "get_absolute_url()")
    found = _routes(product)
    if found:
        name, value = found[0]
        sketch.take("django.urls", "reverse")
        body = f'reverse("{name}", args=[product.{value}])'
        others = tuple(one for one, _ in found[1:4])
        sketch.say("product.url", name, "likely", "a route with the product's key", others)
    else:
        body = f'f"/{product._meta.model_name}/{{product.pk}}/"'
        sketch.remarks["url"] = "no route to a product was found: where is its page?"
        sketch.say("product.url", "", "unsure", "no get_absolute_url() and no route")
    sketch.methods["url"] = f"    def url(self, product):\n        return {body}\n"
    return None


def _routes(product: Model) -> list[tuple[str, str]]:
    """(name, attribute of the product), the likeliest first; the shop's urls may not even load."""
    try:
        routes = list(_named(get_resolver().url_patterns, ""))
    except Exception:  # noqa: BLE001  the shop's own code
        return []
    model = tokens(product.__name__)
    known = {field.name for field in fields_of(product)} | {"pk"}
    found = []
    for name, asked in routes:
        told = tokens(name)
        if len(asked) == 1 and told & (model | WORDS) and told & (model | {"product", "products"}):
            value = asked[0] if asked[0] in known else "pk"
            found.append((not told & model, len(told), name, value))
    return [(name, value) for _, _, name, value in sorted(found)]


def _named(patterns: Any, before: str) -> Iterator[tuple[str, list[str]]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            below = f"{before}{pattern.namespace}:" if pattern.namespace else before
            if pattern.namespace != "admin":
                yield from _named(pattern.url_patterns, below)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield before + pattern.name, list(pattern.pattern.regex.groupindex)
