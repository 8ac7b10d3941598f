"""What may be shown: visible, in its time, in stock; on the product or in tables beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import models

from reco_plugin.catalog.scaffold import words
from reco_plugin.catalog.scaffold.fields import (
    Field,
    Model,
    fields_of,
    is_boolean,
    is_label,
    is_moment,
    is_number,
)
from reco_plugin.catalog.scaffold.guess import Sure
from reco_plugin.catalog.scaffold.relations import Link
from reco_plugin.catalog.scaffold.sketch import Sketch
from reco_plugin.catalog.scaffold.words import tokens

OWN_STOCK = words.STOCK[:12]
"""Names that mean stock on the product itself; 'count' or 'level' may mean anything there."""
UNTRACKED = frozenset(("track", "manage", "unlimited", "backorder", "backorders", "preorder"))


@dataclass(kw_only=True)
class _Rule:
    """The parts of `queryset.filter(…)`."""

    simple: list[str] = field(default_factory=list)
    """Conditions on the product's own columns."""
    steps: list[str] = field(default_factory=list)
    """Lines before it: the rows of other tables that are asked for."""
    asked: list[str] = field(default_factory=list)
    """Conditions on those."""


def draw_eligible(sketch: Sketch, links: list[Link]) -> None:
    """`eligible()`, or none where nothing says what may be shown."""
    fields = fields_of(sketch.product)
    rule = _Rule()
    rule.simple += [*_flags(sketch, fields), *_status(sketch, fields), *_times(sketch, fields)]
    if not rule.simple:
        _listings(sketch, links, rule)
    _stock(sketch, fields, links, rule)
    _unknown_flags(sketch, fields, rule)
    if not (rule.simple or rule.asked):
        sketch.say("product.eligible", "", "unsure", "nothing says what may be shown: all are")
        if not sketch.shown_with:
            return
    sketch.methods["eligible"] = _source(sketch, rule)


def _source(sketch: Sketch, rule: _Rule) -> str:
    told = [*rule.asked, *rule.simple]
    shown_with = "".join(f'.prefetch_related("{name}")' for name in sketch.shown_with)
    lines = ["    def eligible(self, queryset, request):\n", *rule.steps]
    call = f"        return queryset.filter({', '.join(told)}){shown_with}\n"
    if not told:
        lines.append(f"        return queryset{shown_with}\n")
    elif len(call) <= 88:
        lines.append(call)
    else:
        lines.append("        return queryset.filter(\n")
        lines += [f"            {one},\n" for one in told]
        lines.append(f"        ){shown_with}\n")
    return "".join(lines)


def _flags(sketch: Sketch, fields: list[Field]) -> list[str]:
    by_name = {one.name: one for one in fields if is_boolean(one)}
    shown = [f"{name}=True" for name in words.SHOWN if name in by_name]
    hidden = [f"{name}=False" for name in words.HIDDEN if name in by_name]
    told = [*shown, *hidden]
    if told:
        sketch.say("product.visible", ", ".join(told), "sure", "flags")
    return told


def _unknown_flags(sketch: Sketch, fields: list[Field], rule: _Rule) -> None:
    """Where nothing says what is visible, the flags there are may do so by another name."""
    names = tuple(one.name for one in fields if is_boolean(one))
    is_said = any("stock" not in told for told in (*rule.simple, *rule.asked))
    if names and not is_said:
        sketch.say("product.visible", "", "unsure", "no flag has a usual name", names)


def _status(sketch: Sketch, fields: list[Field]) -> list[str]:
    by_name = {one.name: one for one in fields if is_label(one) and one.choices}
    for name in words.STATUS:
        field: Field = by_name.get(name)
        if field is None:
            continue
        values = [value for value, _ in field.flatchoices]
        good = [value for value in values if tokens(str(value)) & words.STATUS_SHOWN]
        if good:
            told = f'{name}="{good[0]}"' if len(good) == 1 else f"{name}__in={_texts(good)}"
            others = tuple(str(value) for value in values if value not in good)
            sketch.say("product.visible", told, "likely", "a status with choices", others)
            return [told]
        sketch.say(
            "product.visible", "", "unsure", f"which {name} is shown?", tuple(map(str, values))
        )
    return []


def _texts(values: list[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def _times(sketch: Sketch, fields: list[Field]) -> list[str]:
    by_name = {one.name: one for one in fields if is_moment(one)}
    told = [
        f"{name}__isnull=True" for name in words.GONE_AT if name in by_name and by_name[name].null
    ]
    published = next((name for name in words.PUBLISHED_AT if name in by_name), "")
    if published:
        told.append(f"{published}__lte={_now(sketch, by_name[published])}")
    if told:
        sketch.say("product.visible", ", ".join(told), "likely", "moments")
    return told


def _now(sketch: Sketch, field: Field) -> str:
    sketch.take("django.utils", "timezone")
    return "timezone.now()" if isinstance(field, models.DateTimeField) else "timezone.localdate()"


def _listings(sketch: Sketch, links: list[Link], rule: _Rule) -> None:
    """Visibility in a table beside the product, a row per channel."""
    for link in links:
        if not tokens(link.name) & words.LISTING_WORDS or link.generic or link.through:
            continue
        flags = [
            f"{name}=True"
            for name in words.SHOWN
            for one in fields_of(link.model)
            if one.name == name and is_boolean(one)
        ]
        if flags:
            _exists(sketch, link, "visible", flags, rule)
            told = f"{link.name}: {', '.join(flags)}"
            sketch.say("product.visible", told, "likely", "in any of its listings")
            return


def _stock(sketch: Sketch, fields: list[Field], links: list[Link], rule: _Rule) -> None:
    by_name = {one.name: one for one in fields if is_number(one)}
    own = next((name for name in OWN_STOCK if name in by_name), "")
    untracked = _untracked(sketch.product)
    if own:
        rule.simple.append(f"{own}__gt=0")
        sketch.say("product.stock", own, "sure", "a number on the product")
    else:
        link, name = _stock_rows(links)
        if link is None:
            return sketch.say("product.stock", "", "unsure", "no number looks like stock")
        untracked = untracked or _untracked(link.model)
        _exists(sketch, link, "in_stock", [f"{name}__gt=0"], rule)
        sure: Sure = "unsure" if link.is_soft else "likely"
        why = f"rows of {link.name} that have the product's key" if link.is_soft else ""
        sketch.say("product.stock", f"{link.name}.{name} by {link.path}", sure, why)
    if untracked:
        sketch.remarks["eligible"] = f"stock is asked of every product, whatever {untracked} says"
    return None


def _untracked(model: Model) -> str:
    found = [one.name for one in fields_of(model) if is_boolean(one)]
    return next((name for name in found if tokens(name) & UNTRACKED), "")


def _stock_rows(links: list[Link]) -> tuple[Link | None, str]:
    """A table that is called stock; else a variant (or the like) with a stock of its own."""
    for is_named in (True, False):
        for link in links:
            told = tokens(link.name)
            if (
                told & (words.NOT_ORDERS - {"stock", "inventory", "price"})
                or told & words.ORDER_WORDS
            ):
                continue
            if is_named and not told & words.STOCK_WORDS:
                continue
            names = words.STOCK if is_named else words.STOCK[:9]
            by_name = {one.name for one in fields_of(link.model) if is_number(one)}
            found = next((name for name in names if name in by_name), "")
            if found and not _unlike_key(link):
                return link, found
    return None, ""


def _unlike_key(link: Link) -> bool:
    """A generic key that cannot hold this product's: no such row can be asked for."""
    return link.generic is not None and not link.accessors


def _exists(sketch: Sketch, link: Link, name: str, flags: list[str], rule: _Rule) -> None:
    if link.generic is not None:
        rule.asked += [f"{link.accessors[0]}__{flag}" for flag in flags]
        return
    sketch.take("django.db.models", "Exists", "OuterRef")
    manager = link.model._default_manager.name
    told = ", ".join([f'{link.path}=OuterRef("pk")', *flags])
    call = f"        {name} = {sketch.use(link.model)}.{manager}.filter({told})\n"
    if len(call) > 88:
        call = f"        {name} = {sketch.use(link.model)}.{manager}.filter(\n            {told}\n        )\n"
    rule.steps.append(call)
    rule.asked.append(f"Exists({name})")
