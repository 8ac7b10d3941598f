"""Sketches → the source of a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from reco_plugin.catalog.scaffold.fields import fields_of
from reco_plugin.catalog.scaffold.sketch import Sketch

ORDER = (
    "model", "product", "quantity", "title", "description", "brand", "price", "list_price", "currency", "category",
    "category_parent", "tags", "group", "image", "available_since", "attributes", "prefetch_related",
    "order", "user", "visitor", "guest", "status", "placed_at", "changed_at", "paid", "cancelled",
    "refunded",
)  # fmt: skip
WIDTH = 88
DEPTH = 3
"""Levels of categories above a product's own that are read along."""


def source(catalog: Sketch, orders: Sketch | None, names: tuple[str, str]) -> str:
    """The whole file: imports, the catalogue class and, where there are orders, their mapping."""
    _finish(catalog)
    classes = [_class(names[0], "Catalog", catalog)]
    used = set(catalog.imports) | {("reco_plugin", "Catalog")}
    if orders is not None:
        classes.append(_class(names[1], "OrderMapping", orders))
        used |= orders.imports | {("reco_plugin", "OrderMapping")}
    return (
        '"""How recommendations read this shop. Written by reco_init; yours to change."""\n\n'
        + "\n".join(_imports(used))
        + "\n\n\n"
        + "\n\n\n".join(one.rstrip("\n") for one in classes)
        + "\n"
    )


def _imports(used: set[tuple[str, str]]) -> list[str]:
    by_module: dict[str, list[str]] = defaultdict(list)
    for module, name in used:
        by_module[module].append(name)
    groups: dict[int, list[str]] = defaultdict(list)
    for module in sorted(by_module):
        names = sorted(
            by_module[module], key=lambda name: (not (name.isupper() and len(name) > 1), name)
        )
        groups[_group(module)].append(f"from {module} import {', '.join(names)}")
    return "\n\n".join("\n".join(groups[number]) for number in sorted(groups)).split("\n")


def _group(module: str) -> int:
    first = module.partition(".")[0]
    return {"decimal": 0, "django": 1, "reco_plugin": 1}.get(first, 2)


def _class(name: str, base: str, sketch: Sketch) -> str:
    lines = [f"class {name}({base}):"]
    for attribute in ORDER:
        if attribute in sketch.attributes:
            if remark := sketch.remarks.get(attribute):
                lines.append(f"    # {remark}")
            lines.append(_assigned(attribute, sketch.attributes[attribute]))
    for method, text in sketch.methods.items():
        lines.append("")
        if remark := sketch.remarks.get(method):
            lines.append(f"    # {remark}")
        lines.append(text.rstrip("\n"))
    return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"]) + "\n"


def _assigned(name: str, value: str) -> str:
    """One line where it fits, else one entry a line."""
    line = f"    {name} = {value}"
    if len(line) <= WIDTH or value[0] not in "{(":
        return line
    entries = "".join(f"        {entry},\n" for entry in value[1:-1].rstrip(",").split(", "))
    return f"    {name} = {value[0]}\n{entries}    {value[-1]}"


def _finish(sketch: Sketch) -> None:
    """Naming what is read along takes the place of what would be found by itself, so name all."""
    if not sketch.prefetched:
        return
    found = list(dict.fromkeys([*_begun(sketch), *sketch.prefetched]))
    told = ", ".join(f'"{path}"' for path in found)
    sketch.attributes["prefetch_related"] = f"({told}{',' if len(found) == 1 else ''})"


def _begun(sketch: Sketch) -> Iterator[str]:
    by_name = {field.name: field for field in fields_of(sketch.product)}
    for subject in ("brand", "category", "tags"):
        name = sketch.attributes.get(subject, "").strip('"').partition(".")[0]
        field = by_name.get(name)
        if field is None or not field.is_relation:
            continue
        yield name
        parent = sketch.attributes.get("category_parent", '"parent"').strip('"')
        known = {one.name for one in fields_of(field.related_model)}
        if subject == "category" and parent in known:
            yield "__".join([name, *[parent] * DEPTH])
