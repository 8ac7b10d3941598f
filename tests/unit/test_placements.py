"""The placements that come with the app, and what is said of one that cannot be used."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.template import Template
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin import placements
from reco_plugin.catalog.scaffold import project
from reco_plugin.models import Page, Placement
from reco_plugin.pipeline.arrange import Material, arrange
from reco_plugin.placements import advice, as_json, from_json, heading, presets, problems, read
from reco_plugin.placements.conditions import OPS
from reco_plugin.placements.plain import EXAMPLES, FIELDS
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.types import (
    Candidate,
    Context,
    Filter,
    ItemFacts,
    KindShare,
    PlacementSpec,
    Rung,
)

SOUND = PlacementSpec(slug="shelf", kinds=(KindShare(kind="similar"),), page="product")


def said(**changes: Any) -> str:
    return " ".join(problems(replace(SOUND, **changes)))


# --- those that come with the app ----------------------------------------------------------------


@pytest.mark.parametrize("spec", placements.PRESETS, ids=lambda spec: spec.slug)
def test_a_preset_is_sound(spec: PlacementSpec) -> None:
    assert problems(spec) == []
    assert advice(spec) == []
    assert spec.slug not in KINDS


def test_every_page_of_a_shop_has_some_and_one_that_is_never_empty() -> None:
    for page in set(Page.values) - {"other"}:
        mine = placements.of_page(placements.BY_SLUG, page)
        assert 2 <= len(mine) <= 8, page
        assert any("popular" in KINDS[spec.kinds[0].kind].sources for spec in mine) or any(
            {"popular", "personal"}.intersection(spec.fallback) for spec in mine
        ), page


def test_names_are_unique_and_orders_differ_on_a_page() -> None:
    assert len(placements.BY_SLUG) == len(placements.PRESETS)
    counts = Counter((spec.page, spec.order) for spec in placements.PRESETS)
    assert max(counts.values()) == 1


def test_every_kind_has_a_place() -> None:
    used = {share.kind for spec in placements.PRESETS for share in spec.kinds}
    used |= {name for spec in placements.PRESETS for name in spec.fallback}
    assert used == set(KINDS)


def test_like_products_are_like_and_what_goes_with_them_is_not() -> None:
    similar, together = (
        placements.presets.BY_SLUG[f"product_{name}"] for name in ("similar", "together")
    )
    assert {"category", "gender", "age_group"} <= set(similar.must_match)
    assert together.must_differ == ("category",)
    assert together.title


def test_what_reco_init_says_to_paste_compiles_and_names_pages_there_are() -> None:
    Template(project.TEMPLATES)
    named = set(re.findall(r'recopage "(\w+)"', project.TEMPLATES))
    told = re.search(r"also for ([\w, ]+):", project.TEMPLATES)
    assert told is not None
    assert named | set(told[1].split(", ")) == set(Page.values) - {"other", "email"}


def test_headings_of_ours_are_translated_and_a_shops_own_are_not(monkeypatch) -> None:
    monkeypatch.setattr(presets, "gettext", str.upper)
    with translation.override("de"):
        assert heading("Goes well with it") == "GOES WELL WITH IT"
        assert heading("Our tip") == "Our tip"
        assert heading("") == ""


# --- what is wrong -------------------------------------------------------------------------------


def test_a_sound_one_has_no_problem() -> None:
    assert problems(SOUND) == []
    assert problems(replace(SOUND, fallback=())) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slug": "personal"}, "'personal' is a kind"),
        ({"slug": ""}, "1 to 64 letters"),
        ({"slug": "a b"}, "1 to 64 letters"),
        ({"slug": "a" * 65}, "1 to 64 letters"),
        ({"page": "attic"}, "'attic' is no page; choose from home"),
        ({"order": -1}, "from 0 to 32767"),
        ({"order": 40_000}, "from 0 to 32767"),
        ({"title": "x" * 201}, "at most 200 letters"),
        ({"title": 5}, "at most 200 letters"),
        ({"is_active": "no"}, "true or false"),
        ({"kinds": ()}, "at least one kind"),
        ({"kinds": (KindShare(kind="simlar"),)}, "did you mean 'similar'"),
        ({"kinds": (KindShare(kind="zzz"),)}, "'zzz' is no kind: personal, "),
        ({"kinds": (KindShare(kind="similar"),) * 2}, "similar is named twice"),
        ({"kinds": (KindShare(kind="similar", weight=0),)}, "a weight is a number above 0, not 0"),
        ({"kinds": (KindShare(kind="similar", weight=float("nan")),)}, "not nan"),
        ({"kinds": tuple(KindShare(kind=kind) for kind in KINDS)}, "at most 8 kinds"),
        ({"fallback": ("",)}, "'' is no kind"),
        ({"fallback": ("popular", "popular")}, "names popular twice"),
        ({"min_items": 9}, "At least 9 but at most 8"),
        ({"min_items": -1}, "number from 0"),
        ({"max_items": 0}, "1 to 100"),
        ({"max_items": 101}, "1 to 100"),
        ({"max_items": True}, "1 to 100"),
        ({"rotate_after": -1}, "number of times"),
        ({"diversity": 1.1}, "Diversity goes from 0 to 1, not 1.1"),
        ({"explore": -0.1}, "Exploration goes from 0 to 1"),
        ({"explore": float("inf")}, "Exploration goes from 0 to 1"),
        ({"caps": {"brand": 0}}, "whole number from 1"),
        ({"caps": {"brand": 1.5}}, "whole number from 1"),
        ({"caps": {"price": 2}}, "not on 'price'"),
        ({"caps": {"": 2}}, "not on ''"),
        ({"must_match": ("price",)}, "Prices are never just equal"),
        ({"must_match": ("",)}, "name of a fact"),
        ({"must_match": ("brand",), "must_differ": ("brand",)}, "brand must match and must differ"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], words: str) -> None:
    assert words in said(**changes)


@pytest.mark.parametrize(
    ("field", "op", "value", "words"),
    [
        ("", "is", 1, "A filter's field is"),
        ("brand", "like", "A", "'like' is unknown; choose from is, is_not"),
        ("brand", "at_least", 3, "only goes with price"),
        ("brand", "within", 0.2, "only goes with price"),
        ("price", "same", None, "use 'within', e.g. 0.2 for 20 %"),
        ("brand", "is", None, "name a value"),
        ("brand", "is", "  ", "name a value"),
        ("brand", "in", ["A", " "], "name a list"),
        ("brand", "in", [], "name a list"),
        ("brand", "in", "Acme", "name a list"),
        ("brand", "not_in", [None], "name a list"),
        ("price", "at_least", "cheap", "name a price"),
        ("price", "at_most", -1, "name a price"),
        ("price", "within", 0, "a share above 0"),
        ("price", "within", 20, "a share is meant"),
        ("brand", "same", "Acme", "takes no value"),
        ("price", "cheaper", 3, "takes no value"),
    ],
)
def test_a_filter_that_means_nothing(field: str, op: str, value: Any, words: str) -> None:
    assert words in said(filters=(Filter(field=field, op=op, value=value),))


@pytest.mark.parametrize(
    ("filters", "is_empty"),
    [
        ((("brand", "is", "A"), ("brand", "is", "B")), True),
        ((("brand", "is", "A"), ("brand", "in", ["A", "B"])), False),
        ((("brand", "is", "A"), ("brand", "is_not", "A")), True),
        ((("brand", "is", "Acme"), ("brand", "in", ["ACME", "Best"])), False),
        ((("brand", "is", "Acme"), ("brand", "is_not", " acme")), True),
        ((("price", "is", 10), ("price", "in", [10.0, 20.0])), False),
        ((("adult", "is", "yes"), ("adult", "in", [True])), False),
        ((("brand", "in", ["A", "B"]), ("brand", "not_in", ["A", "B"])), True),
        ((("brand", "in", ["A", "B"]), ("brand", "not_in", ["A"])), False),
        ((("brand", "same", None), ("brand", "differs", None)), True),
        ((("tag", "is", "a"), ("tag", "is", "b")), False),
        ((("tag", "is", "a"), ("tag", "is_not", "a")), True),
        ((("price", "at_least", 10), ("price", "at_most", 5)), True),
        ((("price", "at_least", 5), ("price", "at_most", 5)), False),
        ((("price", "cheaper", None), ("price", "dearer", None)), True),
        ((("price", "cheaper", None), ("price", "within", 0.3)), False),
    ],
)
def test_filters_that_exclude_everything_together(filters: Any, is_empty: bool) -> None:
    made = tuple(Filter(field=field, op=op, value=value) for field, op, value in filters)
    assert ("exclude every product" in said(filters=made)) is is_empty


@pytest.mark.parametrize(
    ("guard", "op"), [("must_match", "differs"), ("must_differ", "same")], ids=str
)
def test_a_guard_and_a_filter_that_contradict(guard: str, op: str) -> None:
    words = said(**{guard: ("brand",)}, filters=(Filter(field="brand", op=op),))
    assert "brand must match and must differ" in words


def test_advice_for_pages_without_a_product() -> None:
    spec = replace(SOUND, page="home", must_match=("gender",))
    assert problems(spec) == []
    first, second = advice(spec)
    assert "similar: needs a product" in first
    assert "gender" in second
    assert advice(replace(spec, page="product")) == []


def test_advice_for_a_fallback_that_leads_back() -> None:
    (words,) = advice(replace(SOUND, fallback=("similar",)))
    assert "leads back to similar" in words
    popular = replace(SOUND, kinds=(KindShare(kind="popular"),))
    assert problems(popular) == []
    assert advice(popular) == []


def test_advice_for_a_cap_that_may_empty_the_spot() -> None:
    (words,) = advice(replace(SOUND, min_items=3, caps={"brand": 2}))
    assert "At least 3 products, at most 2 of one brand" in words


# --- whatever a row holds ------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 500)
    | st.floats()
    | st.sampled_from(["", "brand", "price", "similar", "popular", "home", *OPS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "weight", "field", "op", "value", "brand"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_a_row_is_read_or_it_is_said_why_not(values: dict[str, Any]) -> None:
    row: Any = SimpleNamespace(**(as_json(SOUND) | values))
    spec, wrong = read(row)
    assert (spec is None) is bool(wrong)
    if spec is not None:
        assert from_json(as_json(spec)) == spec
        advice(spec)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_what_has_the_wrong_shape_is_answered_with_an_example(name: str) -> None:
    row: Any = SimpleNamespace(**(as_json(SOUND) | {name: 7}))
    spec, (words,) = read(row)
    assert spec is None
    assert EXAMPLES[name] in words


def test_what_a_placement_does_not_know_is_named() -> None:
    with pytest.raises(ValueError, match="knows no colour"):
        from_json({"slug": "a", "kinds": ["similar"], "colour": 1})
    with pytest.raises(ValueError, match="kinds knows no wieght"):
        from_json({"slug": "a", "kinds": [{"kind": "similar", "wieght": 1}]})
    with pytest.raises(ValueError, match="needs kinds"):
        from_json({"slug": "a"})


def test_a_row_has_a_column_for_everything() -> None:
    assert set(FIELDS) <= {field.name for field in Placement._meta.get_fields()}


def test_a_category_s_own_page_keeps_to_its_category() -> None:
    spec = presets.BY_SLUG["category_trending"]
    assert not [words for words in advice(spec) if "category same" in words]
    assert [words for words in advice(replace(spec, page="home")) if "category same" in words]
    inside, below, outside, unfiled = (
        Candidate(key=key, score=1.0, source="trending", rung=Rung.POPULAR) for key in range(4)
    )
    paths = {0: ("Living",), 1: ("Living > Lamps",), 2: ("Living room",), 3: ()}
    material = Material(
        facts={key: ItemFacts(key=key, categories=path) for key, path in paths.items()},
        context=Context(category="living"),
    )
    offers = [(KindShare(kind="trending"), [inside, below, outside, unfiled])]
    found = arrange(offers, spec, material, size=4, rng=random.Random(1))
    assert [one.key for one in found] == [0, 1, 3]
    elsewhere = replace(material, context=Context())
    assert len(arrange(offers, spec, elsewhere, size=4, rng=random.Random(1))) == 4
