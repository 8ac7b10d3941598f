"""`{% load reco %}`: a slate on a page, in one line. It never raises."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token, token_kwargs
from django.template.exceptions import TemplateSyntaxError

from reco_plugin import conf
from reco_plugin.bounded import savepoint
from reco_plugin.serving import recommend
from reco_plugin.serving.tiles import heading, href, tiles
from reco_plugin.types import Slate, SlateItem

logger = logging.getLogger(__name__)
register = template.Library()

OPTIONS = ("product", "category", "limit", "exclude", "title", "placement", "template", "record")
TEMPLATE = "reco/slate.html"


@register.tag("recommend")
def do_recommend(parser: Parser, token: Token) -> RecommendNode:
    """Show a slate, or put it in a variable.

        {% recommend "personal" limit=8 title="For you" %}
        {% recommend "similar" product=product %}
        {% recommend "popular" category=category template="shop/shelf.html" %}
        {% recommend "personal" as slate %}{% for item in slate %}{{ item.product }}{% endfor %}

    Renders nothing when there is nothing to show, and never raises. Works without `request` in the
    context (an e-mail): then nobody is recognised and nothing is recorded.
    """
    name, *bits = token.split_contents()
    target = ""
    if len(bits) >= 2 and bits[-2] == "as":
        target, bits = bits[-1], bits[:-2]
    named = not bits or token_kwargs(bits[:1], parser)
    kind = '"personal"' if named else bits.pop(0)
    options = token_kwargs(bits, parser)
    unknown = [*bits, *(set(options) - set(OPTIONS))]
    if unknown:
        raise TemplateSyntaxError(
            f"{name!r} does not know {unknown[0]!r}; it takes a kind and {', '.join(OPTIONS)}."
        )
    return RecommendNode(parser.compile_filter(kind), options, target)


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
        given = {name: value.resolve(context) for name, value in self.options.items()}
        options = {name: value for name, value in given.items() if value not in (None, "")}
        title, chosen = options.pop("title", None), options.pop("template", TEMPLATE)
        request = context.get("request")
        kind = self.kind.resolve(context)
        slate = recommend(kind, request=request, **options)
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
        inner = context.new(values)
        return found.render(inner) if values["tiles"] else ""


def _guard() -> AbstractContextManager[None]:
    """What a tile reads must not break the page's transaction; switched off, nothing is read."""
    return savepoint(conf.settings.DATABASE) if conf.settings.ENABLED else nullcontext()
