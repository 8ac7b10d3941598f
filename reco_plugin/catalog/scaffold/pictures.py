"""A product's picture: a file, an address, a gallery."""

from __future__ import annotations

from typing import Any

from django.db import models

from reco_plugin.catalog.scaffold import words
from reco_plugin.catalog.scaffold.fields import Field, Model, computed, fields_of, is_link, pick
from reco_plugin.catalog.scaffold.relations import Link
from reco_plugin.catalog.scaffold.sketch import Sketch
from reco_plugin.catalog.scaffold.words import tokens


def draw_image(sketch: Sketch, links: list[Link]) -> None:
    own = _own(sketch.product)
    if own is not None:
        sketch.set_path("image", own)
        return sketch.say("product.image", own, "sure", "a file or an address")
    if name := computed(sketch.product, (*words.IMAGE[:9], "primary_image", "get_image_url")):
        sketch.set_path("image", name)
        return sketch.say("product.image", name, "likely", "worked out by the product")
    for link in links:
        picture = _picture(link.model) if _is_gallery(link) else None
        if picture is not None:
            return _gallery(sketch, link.accessors[0], picture, link.is_one)
    for field in fields_of(sketch.product):
        picture = _picture(field.related_model) if _is_album(field) else None
        if picture is not None:
            return _gallery(sketch, field.name, picture, False)
    return sketch.say("product.image", "", "unsure", "nothing looks like a picture")


def _own(product: Model) -> str | None:
    found = pick(product, words.IMAGE, lambda field: _is_file(field) or _is_address(field))
    if found:
        return found.name
    for field in fields_of(product):
        if is_link(field) and tokens(field.name) & words.IMAGE_WORDS:
            picture = _picture(field.related_model)
            if picture is not None:
                return f"{field.name}.{picture.name}"
    return None


def _is_file(field: Field) -> bool:
    if isinstance(field, models.ImageField):
        return True
    return isinstance(field, models.FileField) and bool(tokens(field.name) & words.IMAGE_WORDS)


def _is_address(field: Field) -> bool:
    """An address of a picture, on the product itself."""
    told = tokens(field.name)
    is_picture = bool(told & (words.IMAGE_WORDS | {"thumbnail", "cover", "img"}))
    if isinstance(field, models.URLField):
        return is_picture
    return isinstance(field, models.CharField) and is_picture and not field.choices


def _is_gallery(link: Link) -> bool:
    return len(link.accessors) == 1 and bool(tokens(link.name) & words.IMAGE_WORDS)


def _is_album(field: Any) -> bool:
    if not field.many_to_many or not isinstance(field.related_model, type):
        return False
    return bool(tokens(field.related_model.__name__) & words.IMAGE_WORDS)


def _picture(model: Model) -> Field | None:
    """The field of a picture's row that holds the file or its address."""
    fields = fields_of(model)
    files = [field for field in fields if isinstance(field, models.FileField)]
    addresses = [field for field in fields if isinstance(field, models.URLField)]
    named = [
        field for field in fields if field.name in words.IMAGE and hasattr(field, "max_length")
    ]
    texts = [field for field in named if isinstance(field, models.CharField)]
    return next(iter([*files, *addresses, *texts]), None)


def _gallery(sketch: Sketch, accessor: str, picture: Field, is_one: bool) -> None:
    is_file = isinstance(picture, models.FileField)
    address = f"picture.{picture.name}" + (".url" if is_file else "")
    first = (
        f'getattr(product, "{accessor}", None)'
        if is_one
        else f"next(iter(product.{accessor}.all()), None)"
    )
    there = f"picture and picture.{picture.name}"
    sketch.methods["image_url"] = (
        "    def image_url(self, product):\n"
        f"        picture = {first}\n"
        f'        return {address} if {there} else ""\n'
    )
    if not is_one:
        sketch.shown_with.append(accessor)
    sketch.say("product.image", f"{accessor}.{picture.name}", "likely", "the first of the gallery")
