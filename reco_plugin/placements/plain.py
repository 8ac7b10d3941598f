"""A placement as plain values: what a row keeps, and what is exported and imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from django.utils.translation import gettext as _

from reco_plugin.types import Filter, KindShare, PlacementSpec

FIELDS = tuple(field.name for field in fields(PlacementSpec))
EXAMPLES = {
    "kinds": '[{"kind": "similar", "weight": 1}]',
    "fallback": '["popular"]',
    "filters": '[{"field": "price", "op": "within", "value": 0.2}]',
    "must_match": '["gender"]',
    "must_differ": '["category"]',
    "caps": '{"brand": 2}',
}
"""What the values that are more than one text or number look like."""
_NAMES = ("fallback", "must_match", "must_differ")


def from_json(data: Mapping[str, Any]) -> PlacementSpec:
    """A placement from plain values; what is not given is as usual.

    Raises ValueError, in words, for unknown names and for values of the wrong shape. What the values
    mean is for `problems` to judge.
    """
    values = _known(data, FIELDS, _("A placement"))
    for name in ("slug", "kinds"):
        if name not in values:
            raise ValueError(_("A placement needs %(name)s.") % {"name": name})
    values["kinds"] = tuple(_share(each) for each in _list(values, "kinds"))
    if "filters" in values:
        values["filters"] = tuple(_filter(each) for each in _list(values, "filters"))
    for name in _NAMES:
        if name in values:
            values[name] = tuple(_text(each, name) for each in _list(values, name))
    if "caps" in values:
        values["caps"] = _object(values["caps"], "caps")
    return PlacementSpec(**values)


def as_json(spec: PlacementSpec) -> dict[str, Any]:
    """Plain values; `from_json` makes the same placement of them."""
    found = asdict(spec) | {name: list(getattr(spec, name)) for name in _NAMES}
    found["kinds"] = [asdict(share) for share in spec.kinds]
    found["filters"] = [_told(condition) for condition in spec.filters]
    return found


def _told(condition: Filter) -> dict[str, Any]:
    found = asdict(condition)
    return found if condition.value is not None else {"field": found["field"], "op": found["op"]}


def _share(value: Any) -> KindShare:
    if isinstance(value, str):
        return KindShare(kind=value)
    given = _known(_object(value, "kinds"), ("kind", "weight"), "kinds")
    return KindShare(kind=_text(given.pop("kind", None), "kinds"), **given)


def _filter(value: Any) -> Filter:
    given = _known(_object(value, "filters"), ("field", "op", "value"), "filters")
    found = {name: _text(given.get(name), "filters") for name in ("field", "op")}
    return Filter(field=found["field"], op=found["op"], value=given.get("value"))


def _known(data: Mapping[str, Any], names: tuple[str, ...], what: str) -> dict[str, Any]:
    if unknown := sorted(set(map(str, data)) - set(names)):
        raise ValueError(
            _("%(what)s knows no %(unknown)s; it knows %(names)s.")
            % {"what": what, "unknown": ", ".join(unknown), "names": ", ".join(names)}
        )
    return dict(data)


def _list(values: Mapping[str, Any], name: str) -> list[Any] | tuple[Any, ...]:
    value = values[name]
    return value if isinstance(value, list | tuple) else _refuse(value, name)


def _object(value: Any, name: str) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else _refuse(value, name)


def _text(value: Any, name: str) -> str:
    return value if isinstance(value, str) else _refuse(value, name)


def _refuse(value: Any, name: str) -> Any:
    raise ValueError(
        _("%(name)s has %(value)r; write e.g. %(example)s.")
        % {"name": name, "value": value, "example": EXAMPLES[name]}
    )
