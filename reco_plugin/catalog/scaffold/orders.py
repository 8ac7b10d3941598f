"""The order mapping: which model holds the lines, and the path to each subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.conf import settings as django_settings
from django.db import models

from reco_plugin.catalog.scaffold import words
from reco_plugin.catalog.scaffold.fields import (
    Field,
    Model,
    fields_of,
    is_boolean,
    is_cents,
    is_label,
    is_link,
    is_moment,
    is_number,
    pick,
)
from reco_plugin.catalog.scaffold.guess import Sure
from reco_plugin.catalog.scaffold.lines import Lines, quantity
from reco_plugin.catalog.scaffold.sketch import Sketch
from reco_plugin.catalog.scaffold.statuses import Statuses, sorted_out, values_of
from reco_plugin.catalog.scaffold.words import tokens


def draw_orders(sketch: Sketch, found: list[Lines]) -> None:
    """The mapping of the likeliest lines; nothing where there are none."""
    if not found:
        sketch.say("order.line", "", "unsure", "no model looks like order lines")
        return
    lines, others = found[0], tuple(one.model._meta.label for one in found[1:5])
    label = lines.model._meta.label
    sketch.attributes["model"] = f'"{label}"'
    sure: Sure = "sure" if lines.score >= 7 else "likely" if lines.score >= 5 else "unsure"
    sketch.say("order.line", label, sure, "a product, an order and a quantity", others)
    _product(sketch, lines)
    _quantity(sketch, lines)
    _price(sketch, lines)
    _order(sketch, lines)
    _people(sketch, lines)
    _status(sketch, lines)
    _moments(sketch, lines)
    _annotations(sketch)


def _product(sketch: Sketch, lines: Lines) -> None:
    link = lines.link
    sketch.set_path("product", link.path)
    if link.generic is not None:
        meta = sketch.product._meta
        content = link.generic[0]
        sketch.conditions += [
            f'{content}__app_label="{meta.app_label}"',
            f'{content}__model="{meta.model_name}"',
        ]
        return sketch.say("order.product", link.path, "likely", "a generic foreign key")
    if link.narrowed:
        sketch.conditions.append(link.narrowed)
    if link.is_soft:
        return sketch.say("order.product", link.path, "unsure", "the product's key by value only")
    return sketch.say("order.product", link.path)


def _quantity(sketch: Sketch, lines: Lines) -> None:
    found = quantity(lines.model)
    if found is not None:
        sketch.set_path("quantity", found.name)
        return sketch.say("order.quantity", found.name)
    sketch.take("django.db.models", "Value")
    sketch.annotations["reco_quantity"] = "Value(1)"
    sketch.set_path("quantity", "reco_quantity")
    return sketch.say("order.quantity", "1", "likely", "no number looks like a quantity")


def _price(sketch: Sketch, lines: Lines) -> None:
    names = (*words.LINE_PRICE, *words.CENTS)
    found = pick(lines.model, names, is_number, words.NOT_THE_PRICE | {"total", "line"})
    if found is None or found.name == sketch.attributes.get("quantity", "").strip('"'):
        return None
    if is_cents(found.field):
        sketch.take("decimal", "Decimal")
        sketch.take("django.db.models", "DecimalField", "ExpressionWrapper", "F")
        sketch.annotations["reco_price"] = (
            f'ExpressionWrapper(\n                F("{found.name}") * Decimal("0.01"),\n'
            "                DecimalField(max_digits=14, decimal_places=2),\n            )"
        )
        sketch.set_path("price", "reco_price")
        return sketch.say("order.price", found.name, "likely", "in cents", found.others)
    sketch.set_path("price", found.name)
    sketch.say("order.price", found.name, found.sure, "", found.others)
    currency = pick(lines.model, words.CURRENCY, is_label)
    if currency:
        sketch.set_path("currency", currency.name)
    elif lines.order is not None and (
        currency := pick(lines.order_model, words.CURRENCY, is_label)
    ):
        sketch.set_path("currency", lines.before + currency.name)
    return None


def _order(sketch: Sketch, lines: Lines) -> None:
    """A number that people know, where there is one of its own for each order."""
    number = _number(lines)
    if lines.order is None:
        path = number or "pk"
        sketch.set_path("order", path)
        if number:
            sketch.methods["order_reference"] = (
                f"    def order_reference(self, order):\n        return order.{number}\n"
            )
        return sketch.say("order.order", path, "likely", "a line is an order of its own")
    path = f"{lines.before}{number}" if number else lines.order.attname
    sketch.set_path("order", path)
    return sketch.say(
        "order.order", path, "sure" if number else "likely", lines.order_model.__name__
    )


def _number(lines: Lines) -> str:
    fields = {field.name: field for field in fields_of(lines.order_model)}
    own = [fields[name] for name in words.NUMBER if name in fields]
    own += [field for field in fields.values() if field.unique and is_label(field)]
    plain = [field for field in own if not field.is_relation and not field.primary_key]
    if lines.order is not None:  # of an order, its number is its own; of a line, it need not be
        plain = [field for field in plain if field.unique or field.name in words.NUMBER[:5]]
    return str(plain[0].name) if plain else ""


# --- who ----------------------------------------------------------------------------------------------


def _people(sketch: Sketch, lines: Lines) -> None:
    user = _user(lines)
    if user:
        sketch.set_path("user", user[0])
        sketch.say("order.user", user[0], "sure", "a foreign key to the user", tuple(user[1:]))
    guest = _first(lines, words.GUEST, lambda field: is_label(field) and not field.choices)
    guest = guest or _mail(lines)
    customer = "" if user else _customer(lines)
    if customer or guest:
        sketch.set_path("guest", customer or guest)
        sketch.say("order.guest", customer or guest, "likely", "tells guests apart; it is hashed")
    visitor = _first(lines, words.VISITOR, lambda field: not field.is_relation)
    if visitor:
        sketch.set_path("visitor", visitor)
        sketch.say("order.visitor", visitor, "likely")
    if not (user or guest or customer or visitor):
        sketch.remarks["order"] = "nothing says who bought: set user, guest or visitor"
        sketch.say("order.user", "", "unsure", "nothing says who bought")


def _mail(lines: Lines) -> str:
    """An address by any name."""
    for model, before in _places(lines):
        for field in fields_of(model):
            if isinstance(field, models.EmailField) or tokens(field.name) & {"mail", "email"}:
                return f"{before}{field.name}"
    return ""


def _user(lines: Lines) -> list[str]:
    """Paths to the key of the user, the likeliest first; over a customer's profile if need be."""
    paths = []
    for model, before in _places(lines):
        for field in _by_names(model, words.USER):
            if is_link(field) and _is_user(field.related_model):
                paths.append(f"{before}{field.attname}")
            elif is_link(field):
                paths += _over(field, before)
    return list(dict.fromkeys(paths))


def _over(field: Field, before: str) -> list[str]:
    return [
        f"{before}{field.name}__{one.attname}"
        for one in fields_of(field.related_model)
        if is_link(one) and _is_user(one.related_model)
    ]


def _by_names(model: Model, names: Iterable[str]) -> list[Field]:
    """Foreign keys with the usual names first; those of staff last."""
    order = list(names)
    own = [field for field in fields_of(model) if is_link(field)]

    def rank(field: Field) -> int:
        if field.name in order:
            return order.index(field.name)
        return 200 if tokens(field.name) & words.NOT_THE_USER else 100

    return sorted(own, key=rank)


def _is_user(model: Model) -> bool:
    return model._meta.label_lower == str(django_settings.AUTH_USER_MODEL).lower()


def _customer(lines: Lines) -> str:
    """A customer table of the shop's own: its key tells buyers apart."""
    for model, before in _places(lines):
        for field in _by_names(model, words.USER):
            if field.name in words.USER:
                return f"{before}{field.attname}"
    return ""


def _places(lines: Lines) -> list[tuple[Model, str]]:
    """Where to look: the order, then the line itself."""
    places = [(lines.order_model, lines.before)]
    return places if lines.order is None else [*places, (lines.model, "")]


def _first(lines: Lines, names: Iterable[str], wanted: Callable[[Field], bool]) -> str:
    for model, before in _places(lines):
        by_name = {field.name: field for field in fields_of(model)}
        for name in names:
            if name in by_name and wanted(by_name[name]) and not by_name[name].primary_key:
                return f"{before}{name}"
    return ""


# --- what became of it, and when ------------------------------------------------------------------------


def _status(sketch: Sketch, lines: Lines) -> None:
    found = _statuses(lines)
    best = max(found, key=lambda one: one.known, default=None)
    if best is not None and (best.known or not _paid_otherwise(sketch, lines)):
        return _write_status(sketch, best, tuple(one.name for one in found if one is not best))
    if best is None and not _paid_otherwise(sketch, lines):
        sketch.say("order.status", "", "unsure", "no status: every order counts as a purchase")
    return None


def _statuses(lines: Lines) -> list[Statuses]:
    found = []
    for model, before in _places(lines):
        fields = {field.name: field for field in fields_of(model)}
        for name in words.ORDER_STATUS:
            field = fields.get(name)
            if field is not None and _is_status(field):
                found.append(sorted_out(before + name, values_of(model, field)))
    return found


def _is_status(field: Field) -> bool:
    kinds = (models.CharField, models.TextField, models.IntegerField)
    return isinstance(field, kinds) and not field.primary_key


def _write_status(sketch: Sketch, best: Statuses, others: tuple[str, ...]) -> None:
    sketch.set_path("status", best.name)
    for name in ("paid", "cancelled", "refunded"):
        values = getattr(best, name)
        if values:
            sketch.attributes[name] = "{" + ", ".join(f'"{value}"' for value in values) + "}"
    paid = ", ".join(map(best.called, best.paid))
    told = f"paid: {paid or 'every status that is not named'}"
    if not best.known:
        sketch.remarks["status"] = "no statuses known yet: name those that are a purchase in paid"
    elif best.doubtful:
        sketch.remarks["paid"] = f"look at {', '.join(map(best.called, best.doubtful))}"
    sure: Sure = "unsure" if best.doubtful or not best.paid else "likely"
    sketch.say("order.status", f"{best.name} ({told})", sure, "", others)


def _paid_otherwise(sketch: Sketch, lines: Lines) -> bool:
    """A flag or a moment that says an order is paid."""
    flag = _first(lines, words.PAID_FLAGS, is_boolean)
    if flag:
        sketch.set_path("status", flag)
        sketch.attributes["paid"] = '{"True"}'
        sketch.say("order.status", flag, "likely", "a flag")
        return True
    moment = _first(lines, words.PAID_AT, is_moment)
    if moment:
        sketch.conditions.append(f"{moment}__isnull=False")
        sketch.say("order.status", f"{moment} is set", "likely", "a moment")
    return bool(moment)


def _moments(sketch: Sketch, lines: Lines) -> None:
    placed, others = _placed(lines)
    why = "" if placed else "no date was found: every past order would count as made today"
    sketch.set_path("placed_at", placed, why)
    sketch.say("order.placed_at", placed, "likely" if placed else "unsure", why, others)
    changed = _first(lines, words.CHANGED, is_moment) or _auto_now(lines)
    if changed:
        sketch.set_path("changed_at", changed)
        sketch.say("order.changed_at", changed, "likely")
    else:
        why = "none; recent orders are read again instead"
        sketch.say("order.changed_at", "", "unsure", why)


def _placed(lines: Lines) -> tuple[str, tuple[str, ...]]:
    """A moment with a usual name; else the one set by itself at creation; else the first that is of
    nothing that happens later. With the others that would do."""
    if usual := _first(lines, words.PLACED, is_moment):
        return usual, ()
    found = [
        (not getattr(field, "auto_now_add", False), before + field.name)
        for model, before in _places(lines)
        for field in fields_of(model)
        if is_moment(field) and _may_be_placed(field)
    ]
    paths = [path for _, path in sorted(found, key=lambda one: one[0])]
    return (paths[0], tuple(paths[1:5])) if paths else ("", ())


def _may_be_placed(field: Field) -> bool:
    is_later = tokens(field.name) & words.LATER or field.name in words.CHANGED
    return not is_later and not getattr(field, "auto_now", False)


def _auto_now(lines: Lines) -> str:
    for model, before in _places(lines):
        for field in fields_of(model):
            if getattr(field, "auto_now", False):
                return f"{before}{field.name}"
    return ""


def _annotations(sketch: Sketch) -> None:
    """`queryset()`, where a plain path does not do."""
    if not (sketch.annotations or sketch.conditions):
        return
    lines = ["    def queryset(self):\n", "        lines = super().queryset()\n"]
    if sketch.conditions:
        told = ", ".join(sketch.conditions)
        call = f"        lines = lines.filter({told})\n"
        if len(call) > 88:
            parts = "".join(f"            {one},\n" for one in sketch.conditions)
            call = f"        lines = lines.filter(\n{parts}        )\n"
        lines.append(call)
    if sketch.annotations:
        parts = "".join(
            f"            {name}={code},\n" for name, code in sketch.annotations.items()
        )
        lines.append(f"        lines = lines.annotate(\n{parts}        )\n")
    lines.append("        return lines\n")
    sketch.methods["queryset"] = "".join(lines)
