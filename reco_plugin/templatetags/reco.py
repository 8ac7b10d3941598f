"""`{% load reco %}`: a slate on a page, in one line. It never raises."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token, token_kwargs
from django.template.exceptions import TemplateSyntaxError

from reco_plugin import conf
from reco_plugin.bounded import savepoint
from reco_plugin.serving import Page, plan, recommend, recording
from reco_plugin.serving.headings import heading
from reco_plugin.serving.tiles import href, tiles
from reco_plugin.types import Slate, SlateItem

logger = logging.getLogger(__name__)
register = template.Library()

OPTIONS = (
    "product",
    "category",
    "cart",
    "query",
    "shopper",
    "limit",
    "exclude",
    "title",
    "placement",
    "template",
    "record",
)
PAGE_OPTIONS = ("product", "category", "cart", "query", "shopper", "exclude", "record")
TEMPLATE = "reco/slate.html"


@register.tag("recommend")
def do_recommend(parser: Parser, token: Token) -> RecommendNode:
    """Show a slate, or put it in a variable.

        {% recommend "personal" limit=8 title="For you" %}
        {% recommend "similar" product=product %}
        {% recommend "popular" category=category template="shop/shelf.html" %}
        {% recommend "personal" as slate %}{% for item in slate %}{{ item.product }}{% endfor %}
        {% recommend "product_similar" product=product %}   a placement, by its name
        {% recommend page.product_similar %}                a slate that was planned: `{% recopage %}`

    Renders nothing when there is nothing to show, and never raises. Works without `request` in the
    context (an e-mail): then nobody is recognised but who `shopper` names (see `capture.shopper_of`),
    and nothing is recorded.
    """
    name, *bits = token.split_contents()
    bits, target = _target(bits)
    named = not bits or token_kwargs(bits[:1], parser)
    kind = '"personal"' if named else bits.pop(0)
    options = _options(parser, name, bits, OPTIONS)
    return RecommendNode(parser.compile_filter(kind), options, target)


@register.tag("recopage")
def do_recopage(parser: Parser, token: Token) -> RecopageNode:
    """Plan every slate of a page in one pass, and show them where you want them.

        {% recopage "product" product=product as page %}
        {% recommend page.product_similar %}
        {% for slate in page.slates %}{% recommend slate %}{% endfor %}

    Takes a page type ('home', 'category', 'product', 'cart' …: all active placements of it), or a
    list of names of placements and kinds. They are read together, and no product is in two of them.
    What `{% recommend %}` then shows of it is recorded, and nothing else. Never raises; what has
    nothing to show renders nothing.
    """
    name, *bits = token.split_contents()
    bits, target = _target(bits)
    if not bits or not target:
        raise TemplateSyntaxError(f'{name!r} is used like this: {{% {name} "product" as page %}}')
    page = parser.compile_filter(bits.pop(0))
    return RecopageNode(page, _options(parser, name, bits, PAGE_OPTIONS), target)


def _target(bits: list[str]) -> tuple[list[str], str]:
    """The arguments, and the variable after 'as'."""
    if len(bits) >= 2 and bits[-2] == "as":
        return bits[:-2], bits[-1]
    return bits, ""


def _options(
    parser: Parser, name: str, bits: list[str], known: tuple[str, ...]
) -> Mapping[str, FilterExpression]:
    options = token_kwargs(bits, parser)
    unknown = [*bits, *(set(options) - set(known))]
    if unknown:
        first = "a kind or a placement" if known is OPTIONS else "a page"
        raise TemplateSyntaxError(
            f"{name!r} does not know {unknown[0]!r}; it takes {first} and {', '.join(known)}."
        )
    return options


@register.simple_tag(takes_context=True)
def reco_href(context: template.Context, slate: Slate, item: SlateItem) -> str:
    """Where a tile of your own template leads: a link that counts the click, for people; the
    product's own page for robots, in e-mails, and without `reco_plugin.urls`."""
    return href(slate, item, context.get("request"))


class RecommendNode(template.Node):
    """One `{% recommend %}`."""

    child_nodelists = ()

    def __init__(
        self, kind: FilterExpression, options: Mapping[str, FilterExpression], target: str
    ) -> None:
        self.kind = kind
        self.options = options
        self.target = target
        self.nodelist = NodeList()

    def render(self, context: template.Context) -> str:
        try:
            with _guard():
                return self._render(context)
        except Exception:
            if conf.settings.DEBUG_RAISE:
                raise
            logger.exception("{%% recommend %%} failed")
            if self.target:
                context[self.target] = ()
            return ""

    def _render(self, context: template.Context) -> str:
        options = _given(self.options, context)
        title, chosen = options.pop("title", None), options.pop("template", TEMPLATE)
        slate = self.kind.resolve(context)
        if slate in (None, "") and not self.target:  # a spot that is not on the page: a draft, say
            return ""
        if not isinstance(slate, Slate):
            slate = recommend(slate, request=context.get("request"), **options)
        elif options.get("record", True) and not self.target:
            recording.record([slate], context.get("request"))
        if self.target:
            context[self.target] = slate
            return ""
        return self._rendered(context, slate, chosen, title) if slate else ""

    def _rendered(
        self, context: template.Context, slate: Slate, chosen: str, title: str | None
    ) -> str:
        assert context.template is not None
        found = context.template.engine.select_template([chosen])
        values = {
            "slate": slate,
            "title": title or heading(slate),
            "tiles": tiles(slate, context.get("request")),
        }
        with context.push(**values):
            return found.render(context) if values["tiles"] else ""


class RecopageNode(template.Node):
    """One `{% recopage %}`."""

    child_nodelists = ()

    def __init__(
        self, page: FilterExpression, options: Mapping[str, FilterExpression], target: str
    ) -> None:
        self.page = page
        self.options = options
        self.target = target
        self.nodelist = NodeList()

    def render(self, context: template.Context) -> str:
        context[self.target] = Page()
        try:
            context[self.target] = self._planned(context)
        except Exception:
            if conf.settings.DEBUG_RAISE:
                raise
            logger.exception("{%% recopage %%} failed")
        return ""

    def _planned(self, context: template.Context) -> Page:
        asked, options = self.page.resolve(context), _given(self.options, context)
        request, records = context.get("request"), options.pop("record", True)
        if isinstance(asked, str):
            page = plan(request, page=asked, record=False, **options)
        else:
            page = plan(request, tuple(asked or ()), record=False, **options)
        if not records:
            recording.leave(page.values(), request)
        return page


def _given(options: Mapping[str, FilterExpression], context: template.Context) -> dict[str, Any]:
    """What was given; an empty value is none. A queryset is not looked into."""
    found = {name: value.resolve(context) for name, value in options.items()}
    return {
        name: value
        for name, value in found.items()
        if value is not None and not (isinstance(value, str) and not value)
    }


def _guard() -> AbstractContextManager[None]:
    """What a tile reads must not break the page's transaction; switched off, nothing is read."""
    return savepoint(conf.settings.DATABASE) if conf.settings.ENABLED else nullcontext()
