"""What a product is called, made by, costs, belongs to and looks like."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import models

from reco_plugin.catalog.scaffold import words
from reco_plugin.catalog.scaffold.fields import (
    Field,
    Model,
    computed,
    fields_of,
    is_label,
    is_link,
    is_moment,
    is_text,
    pick,
)
from reco_plugin.catalog.scaffold.guess import Sure
from reco_plugin.catalog.scaffold.pictures import draw_image
from reco_plugin.catalog.scaffold.prices import draw_price
from reco_plugin.catalog.scaffold.relations import Link
from reco_plugin.catalog.scaffold.sketch import Sketch
from reco_plugin.catalog.scaffold.words import tokens


def draw_product(sketch: Sketch, links: list[Link]) -> None:
    """Every subject but what may be shown."""
    _title(sketch)
    _text(sketch)
    _brand(sketch)
    draw_price(sketch, links)
    _category(sketch, links)
    _tags(sketch)
    _group(sketch)
    draw_image(sketch, links)
    _since(sketch)
    _attributes(sketch)


def _title(sketch: Sketch) -> None:
    product = sketch.product
    variant_of_itself = any(link_to(product, field, product) for field in fields_of(product))
    method = computed(product, words.TITLE_METHODS) if variant_of_itself else ""
    found = pick(product, words.TITLE, is_text)
    if found and found.sure == "sure" and not method:
        sketch.set_path("title", found.name)
        return sketch.say("product.title", found.name, "sure", "a text field", found.others)
    name = method or computed(product, (*words.TITLE, *words.TITLE_METHODS))
    if name:
        others = (found.name, *found.others) if found else ()
        sketch.set_path("title", name)
        return sketch.say("product.title", name, "likely", "worked out by the product", others)
    if found:
        sketch.set_path("title", found.name)
        return sketch.say("product.title", found.name, "likely", "its name says so", found.others)
    sketch.set_path("title", "__str__", "no field looks like a title, so str(product) is shown")
    return sketch.say("product.title", "str(product)", "unsure", "no field looks like a title")


def _text(sketch: Sketch) -> None:
    found = pick(sketch.product, words.DESCRIPTION, is_text)
    if found and found.name not in sketch.attributes.get("title", ""):
        sketch.set_path("description", found.name)
        sketch.say("product.description", found.name, found.sure, "", found.others)
    else:
        sketch.say("product.description", "", "unsure", "no text field looks like one")


def _brand(sketch: Sketch) -> None:
    found = pick(sketch.product, words.BRAND, lambda field: is_text(field) or is_link(field))
    if found is None or f'"{found.name}"' == sketch.attributes.get("title"):
        return sketch.say("product.brand", "", "unsure", "no field looks like one")
    path = named(found.field)
    sketch.set_path("brand", path)
    return sketch.say("product.brand", path, found.sure, "", found.others)


def named(field: Field) -> str:
    """The path to what a text field or a foreign key is called: 'brand', or 'brand.code'."""
    if not is_link(field):
        return str(field.name)
    target: Model = field.related_model
    if target.__str__ is not models.Model.__str__ or pick(
        target, ("name", "title", "label"), is_text
    ):
        return str(field.name)
    text = next((one.name for one in fields_of(target) if is_label(one)), "")
    return f"{field.name}.{text}" if text else str(field.name)


# --- categories ---------------------------------------------------------------------------------------


def _category(sketch: Sketch, links: list[Link]) -> None:
    field = next(_category_fields(sketch.product), None)
    if field is None:
        return _category_rows(sketch, links)
    others = tuple(one.name for one in _category_fields(sketch.product))[1:4]
    if field.related_model is None:
        path = f"get_{field.name}_display" if field.choices else field.name
        sketch.set_path("category", path)
        return sketch.say("product.category", path, "sure", "a text", others)
    sketch.set_path("category", field.name)
    why = "many-to-many" if field.many_to_many else "a foreign key"
    tree = _tree(sketch, field.related_model)
    return sketch.say("product.category", field.name, "sure", why + tree, others)


def _category_fields(product: Model) -> Iterator[Field]:
    """By the names in order of use; then relations to a model that is called a category."""
    fields = [one for one in fields_of(product) if _may_be_category(one)]
    by_name = {one.name: one for one in fields}
    for name in words.CATEGORY:
        field = by_name.get(name)
        if field is not None and (field.is_relation or is_label(field)):
            yield field
    for field in fields:
        is_one = field.is_relation and tokens(field.related_model.__name__) & words.CATEGORY_WORDS
        if is_one and field.name not in words.CATEGORY:
            yield field


def _may_be_category(field: Field) -> bool:
    if field.is_relation:
        return isinstance(field.related_model, type) and (field.many_to_many or is_link(field))
    return is_label(field) and not field.primary_key


def _category_rows(sketch: Sketch, links: list[Link]) -> None:
    """A table in between that the product does not name: ProductCategory(product, category)."""
    for link in links:
        field = next(iter(_category_fields(link.model)), None)
        if len(link.accessors) == 1 and field is not None and is_link(field):
            (accessor,) = link.accessors
            rows = f"[product.{accessor}]" if link.is_one else f"product.{accessor}.all()"
            sketch.methods["get_categories"] = (
                "    def get_categories(self, product):\n"
                f"        for row in {rows}:\n"
                f"            yield self.category_path(row.{field.name})\n"
            )
            if not link.is_one:
                sketch.prefetched.append(f"{accessor}__{field.name}")
            tree = _tree(sketch, field.related_model)
            return sketch.say(
                "product.category",
                f"{accessor}.{field.name}",
                "likely",
                f"through {link.name}{tree}",
            )
    return sketch.say("product.category", "", "unsure", "nothing looks like one")


def _tree(sketch: Sketch, category: Model) -> str:
    """How a category names the one above it; returns a few words for people."""
    parents = [one for one in fields_of(category) if link_to(category, one, category)]
    if parents:
        if parents[0].name != "parent":
            sketch.set_path("category_parent", parents[0].name)
        return f", a tree by {parents[0].name}"
    if callable(getattr(category, "get_ancestors", None)):
        sketch.methods["category_path"] = (
            "    def category_path(self, category):\n"
            "        above = [*category.get_ancestors(), category]\n"
            '        return " > ".join(str(one) for one in above)\n'
        )
        return ", a tree by get_ancestors()"
    return ""


def link_to(model: Model, field: Field, target: Model) -> bool:
    """Is `field` of `model` a plain foreign key to `target`, or to a parent it inherits from?"""
    kin = {target, *target._meta.get_parent_list()}
    return is_link(field) and not field.one_to_one and field.related_model in kin


# --- the rest -----------------------------------------------------------------------------------------


def _tags(sketch: Sketch) -> None:
    for field in fields_of(sketch.product):
        if field.name in words.TAGS and field.many_to_many:
            sketch.set_path("tags", field.name)
            sketch.say("product.tags", field.name)
            return


def _group(sketch: Sketch) -> None:
    product = sketch.product
    own = [field for field in fields_of(product) if link_to(product, field, product)]
    by_name = {field.name: field for field in own}
    found = next((name for name in words.GROUP if name in by_name), "")
    if found:
        target = by_name[found].target_field.primary_key
        sketch.set_path("group", found)
        sure: Sure = "sure" if target else "likely"
        others = tuple(sorted(set(by_name) - {found}))
        sketch.say("product.group", found, sure, "variants point to their main product", others)
    elif own:
        names = tuple(sorted(by_name))
        sketch.say("product.group", "", "unsure", "products point at products; variants?", names)


def _since(sketch: Sketch) -> None:
    found = pick(sketch.product, words.SINCE, is_moment)
    if found and not tokens(found.name) & {"updated", "modified", "deleted"}:
        sketch.set_path("available_since", found.name)
        sketch.say("product.available_since", found.name, found.sure, "", found.others)


def _attributes(sketch: Sketch) -> None:
    taken = {value.strip('"').partition(".")[0] for value in sketch.attributes.values()}
    by_name = {field.name: field for field in fields_of(sketch.product)}
    found = {
        name: named(by_name[name])
        for name in words.ATTRIBUTES
        if name in by_name
        and name not in taken
        and (is_label(by_name[name]) or is_link(by_name[name]))
        and not by_name[name].primary_key
    }
    if found:
        pairs = ", ".join(f'"{name}": "{path}"' for name, path in found.items())
        sketch.attributes["attributes"] = f"{{{pairs}}}"
        sketch.say(
            "product.attributes", ", ".join(found), "likely", "facts that tell products apart"
        )
