"""What a form shows of a placement, and reads again, is that placement."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.admin import row_fields
from reco_plugin.admin.placement_form import PlacementForm
from reco_plugin.placements.conditions import OPS
from reco_plugin.retrieval.kinds import KINDS

WORDS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12
)
AMOUNTS = st.integers(0, 10**9) | st.floats(0.001, 1e9).map(lambda value: round(value, 4))


@st.composite
def filters(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {"field": draw(WORDS), "op": draw(st.sampled_from(OPS))}
    if found["op"] in ("in", "not_in"):
        return found | {"value": draw(st.lists(WORDS, min_size=1, max_size=4))}
    if found["op"] in ("at_least", "at_most", "within"):
        return found | {"value": draw(AMOUNTS)}
    return found | ({"value": draw(WORDS)} if found["op"] in ("is", "is_not") else {})


VALUES = {
    "kinds": st.lists(
        st.fixed_dictionaries({"kind": st.sampled_from(list(KINDS)), "weight": AMOUNTS}), max_size=8
    ),
    "fallback": st.lists(st.sampled_from(list(KINDS)), max_size=4),
    "filters": st.lists(filters(), max_size=8),
    "caps": st.dictionaries(WORDS, st.integers(1, 50), max_size=8),
}


def sent(name: str, value: Any) -> dict[str, str]:
    """What a browser sends of the rows that show `value`."""
    field: Any = PlacementForm.base_fields[name]
    widget = field.widget
    shown = widget.get_context(name, field.prepare_value(value), {})["rows"]
    return {cell["name"]: cell["value"] for row in shown for cell in row}


@pytest.mark.parametrize("name", sorted(VALUES))
@given(data=st.data())
def test_what_is_shown_is_read_again(name: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[name])
    field: Any = PlacementForm.base_fields[name]
    typed = field.widget.value_from_datadict(sent(name, value), {}, name)
    assert field.clean(typed) == value
    assert not field.has_changed(value, typed)
    assert len(typed) == len(value)


@pytest.mark.parametrize("value", [None, 7, "x", [7], {"a": [1]}, [{"field": 1}], [[]]])
@pytest.mark.parametrize("name", sorted(VALUES))
def test_what_cannot_be_shown_is_shown_as_something(name: str, value: Any) -> None:
    assert all(isinstance(each, str) for each in sent(name, value).values())


def test_values_with_commas_of_their_own() -> None:
    assert row_fields.split('Acme, "Best, Inc." ,  ') == ["Acme", "Best, Inc."]
    assert row_fields.split(row_fields.joined(["Best, Inc.", 'Say "so"'])) == [
        "Best, Inc.",
        'Say "so"',
    ]


def test_what_is_no_number_is_said() -> None:
    with pytest.raises(ValidationError, match="“much” is no number"):
        row_fields.number("much")


def test_a_shops_own_source_can_be_chosen(settings: Any) -> None:
    settings.RECO_SOURCES = {"hand_picked": "testapp.reco.HandPicked"}
    cells = PlacementForm.base_fields["kinds"].widget.get_context("kinds", None, {})["rows"][0]
    assert ("hand_picked", "hand_picked") in cells[0]["choices"]


def test_a_kind_that_was_taken_out_is_shown() -> None:
    cells = PlacementForm.base_fields["fallback"].widget.get_context(
        "fallback", row_fields.Rows([["retired"]]), {}
    )["rows"][0]
    assert ("retired", "retired") in cells[0]["choices"]
