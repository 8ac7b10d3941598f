"""Sentences are true, translatable, and tell nothing creepy."""

import re
from types import SimpleNamespace

import pytest
from django.utils.functional import Promise

from reco_plugin.retrieval import SOURCES
from reco_plugin.serving import reasons
from reco_plugin.serving.reasons import names, sentence
from reco_plugin.testing.sources import answer_all, full_query
from reco_plugin.types import Rung, SlateItem


def item(reason, product=None):
    return SlateItem(
        product=product,
        key=1,
        position=0,
        score=1.0,
        source="any",
        rung=Rung.POPULAR,
        reason=reason,
    )


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("bought_with:42", "Often bought with Fern boots"),
        ("because_viewed:42", "Because you viewed Fern boots"),
        ("because_bought:42", "Because you bought Fern boots"),
        ("because_bought:43", "Because of what you bought"),
        ("similar_to:42", "Similar to Fern boots"),
        ("bought_with:43", "Often bought together"),
        ("similar_to:43", "You may also like"),
        ("new_in:Women > Shoes > Boots", "New in Boots"),
        ("popular_in:Boots", "Popular in Boots"),
        ("liked_category:Women > Boots", "Popular in Boots, which you like"),
        ("liked_brand:A: B", "Popular from A: B, which you like"),
        ("due:30", "Time to buy again"),
        ("popular", "Popular right now"),
        ("", ""),
        ("no_such_word:7", ""),
    ],
)
def test_sentences(reason, said):
    assert sentence(item(reason), {42: "Fern boots"}) == said


def test_keys_of_any_type_are_known_by_their_text():
    assert sentence(item("linked:ab-1"), {"ab-1": "Socks"}) == "Goes with Socks"


def test_a_title_may_hold_anything():
    assert sentence(item("linked:1"), {1: "100 %s off: (x)"}) == "Goes with 100 %s off: (x)"


def test_which_product_a_reason_names():
    assert names("bought_with:42") == "42"
    assert names("new_in:Boots") == names("popular") == names("") == ""


def test_a_sensitive_category_is_not_named(settings):
    settings.RECO_SENSITIVE_CATEGORIES = ["Health"]
    assert sentence(item("popular_in:Health > Tests")) == "Popular right now"
    assert sentence(item("liked_category:Health")) == ""
    assert sentence(item("popular_in:Healthy food")) == "Popular in Healthy food"


def test_reduced_is_said_only_while_it_is(monkeypatch):
    catalog = SimpleNamespace(on_sale=lambda product: product.reduced)
    monkeypatch.setattr(reasons.backends, "catalog", lambda: catalog)
    for reason, said in (("on_sale", "Reduced"), ("on_sale_in:A > Hats", "Reduced in Hats")):
        assert sentence(item(reason, SimpleNamespace(reduced=True))) == said
        assert sentence(item(reason, SimpleNamespace(reduced=False))) == ""


def every_reason():
    query = full_query()
    for source in SOURCES.values():
        for asked in (query, full_query(events=60, cart=0)):
            answers = answer_all(source.lookups(asked))
            yield from (each.reason for each in source.candidates(asked, answers))


def test_every_reason_of_every_source_has_a_sentence_without_numbers(monkeypatch):
    catalog = SimpleNamespace(on_sale=lambda product: True)
    monkeypatch.setattr(reasons.backends, "catalog", lambda: catalog)
    found = {reason: sentence(item(reason)) for reason in every_reason() if reason}
    assert len({reason.partition(":")[0] for reason in found}) > 15
    assert all(found.values())
    assert not [said for said in found.values() if re.search(r"\d", said)]


def test_every_sentence_waits_for_the_language_of_the_request():
    tables = (
        reasons.ABOUT_A_PRODUCT,
        reasons.WITHOUT_A_TITLE,
        reasons.ABOUT_A_CATEGORY,
        reasons.ABOUT_A_BRAND,
        reasons.PLAIN,
        reasons.OF_A_FACET,
    )
    assert all(isinstance(said, Promise) for table in tables for said in table.values())
    assert set(reasons.WITHOUT_A_TITLE) == set(reasons.ABOUT_A_PRODUCT)
