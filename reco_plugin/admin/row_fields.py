"""Form fields for lists of small rows: a few plain controls each, no script, no JSON to write by hand.

Two empty rows are always there; who needs more saves and finds two more.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

SPARE = 2
"""Empty rows at the end."""


class Rows(list[list[str]]):
    """What was typed: a text per control, a list per row."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One control of each row."""

    name: str
    label: Any
    choices: Callable[[], Sequence[tuple[str, Any]]] | None = None
    """A list to choose from; without, a text is typed."""
    suggestions: Callable[[], Sequence[str]] | None = None
    is_number: bool = False


class RowsWidget(forms.Widget):
    """`most` rows at most of the same controls."""

    template_name = "admin/reco/rows.html"
    use_fieldset = True

    def __init__(self, columns: Sequence[Column], most: int) -> None:
        super().__init__()
        self.columns, self.most = columns, most

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        typed = value if isinstance(value, Rows) else Rows()
        count = min(self.most, len(typed) + SPARE)
        empty = [""] * len(self.columns)
        context["rows"] = [
            self._cells(name, number, typed[number] if number < len(typed) else empty)
            for number in range(count)
        ]
        context["lists"] = [
            {"id": f"{name}-{column.name}-known", "values": column.suggestions()}
            for column in self.columns
            if column.suggestions
        ]
        return context

    def _cells(self, name: str, number: int, values: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {
                "name": f"{name}-{number}-{column.name}",
                "label": f"{column.label} {number + 1}",
                "placeholder": column.label,
                "value": value,
                "choices": self._choices(column, value),
                "list": f"{name}-{column.name}-known" if column.suggestions else "",
                "is_number": column.is_number,
            }
            for column, value in zip(self.columns, values, strict=True)
        ]

    def _choices(self, column: Column, value: str) -> list[tuple[str, Any]]:
        """A value that is none of them (a kind that was taken out) is shown, not swallowed."""
        known = list(column.choices()) if column.choices else []
        strange = [(value, value)] if known and value and value not in dict(known) else []
        return [*known, *strange]

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Rows:
        rows = (
            [str(data.get(f"{name}-{number}-{column.name}", "")).strip() for column in self.columns]
            for number in range(self.most)
        )
        return Rows(row for row in rows if row[0])

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-0-{self.columns[0].name}" not in data

    def id_for_label(self, id_: str, index: Any = None) -> str:
        return ""


class RowsField(forms.Field):
    """`read` makes the JSON value of the rows that were typed, `tell` the rows of a JSON value; `tell`
    may raise for a value that is not what it should be, which is then shown as none."""

    def __init__(
        self,
        *columns: Column,
        read: Callable[[Rows], Any],
        tell: Callable[[Any], list[list[str]]],
        most: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(required=False, widget=RowsWidget(columns, most), **kwargs)
        self.read, self.tell = read, tell

    def prepare_value(self, value: Any) -> Rows:
        if isinstance(value, Rows):
            return value
        try:
            return Rows(self.tell(value))
        except (TypeError, ValueError, KeyError, AttributeError):
            return Rows()

    def to_python(self, value: Any) -> Any:
        return self.read(value if isinstance(value, Rows) else Rows())

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


class NamesField(forms.CharField):
    """Names with commas between them ↔ a list of names."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False, max_length=500, widget=forms.TextInput({"size": 40}), **kwargs
        )

    def prepare_value(self, value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")

    def to_python(self, value: Any) -> Any:
        names = (name.strip() for name in str(super().to_python(value) or "").split(","))
        return list(dict.fromkeys(name for name in names if name))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != initial)

    def run_validators(self, value: Any) -> None:
        super().run_validators(", ".join(value))


# --- what rows stand for -------------------------------------------------------------------------


def number(text: str) -> float:
    """Raises ValidationError for what is no number."""
    try:
        return float(text)
    except ValueError:
        raise ValidationError(_("“%s” is no number.") % text) from None


def split(text: str) -> list[str]:
    """Values with commas between them; one that has a comma itself stands in quotation marks."""
    rows = csv.reader([text], skipinitialspace=True)
    return [each.strip() for row in rows for each in row if each.strip()]


def joined(values: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue()


def plain(value: float) -> str:
    """1.0 as '1'."""
    return f"{value:.15g}"


def read_shares(rows: Rows) -> list[dict[str, Any]]:
    return [{"kind": kind, "weight": number(weight or "1")} for kind, weight in rows]


def tell_shares(value: Any) -> list[list[str]]:
    given = [each if isinstance(each, Mapping) else {"kind": str(each)} for each in value]
    return [[str(each["kind"]), plain(float(each.get("weight", 1)))] for each in given]


def read_names(rows: Rows) -> list[str]:
    return [row[0] for row in rows]


def tell_names(value: Any) -> list[list[str]]:
    return [[str(each)] for each in value]


def read_caps(rows: Rows) -> dict[str, Any]:
    found = {}
    for name, most in rows:
        value = number(most) if most else 0.0
        found[name] = int(value) if value.is_integer() else value
    return found


def tell_caps(value: Any) -> list[list[str]]:
    return [[str(name), str(most)] for name, most in value.items()]


def read_filters(rows: Rows) -> list[dict[str, Any]]:
    return [_filter(field, op, value) for field, op, value in rows]


def _filter(field: str, op: str, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {"field": field, "op": op}
    if op in ("in", "not_in"):
        return found | {"value": split(text)}
    if op in ("at_least", "at_most", "within") and text:
        return found | {"value": number(text)}
    return found | {"value": text} if text else found


def tell_filters(value: Any) -> list[list[str]]:
    return [[str(each["field"]), str(each["op"]), _worded(each.get("value"))] for each in value]


def _worded(value: Any) -> str:
    if isinstance(value, list | tuple):
        return joined(value)
    if isinstance(value, float):
        return plain(value)
    return "" if value is None else str(value)
