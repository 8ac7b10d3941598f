"""Names of stores, what they refuse, and what they say."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured

from reco_plugin.exceptions import StoreError
from reco_plugin.stores import choice
from reco_plugin.stores.base import Scored, Vectors
from reco_plugin.stores.choice import choose_store
from reco_plugin.stores.numpy import NumpyStore
from reco_plugin.stores.pgvector import probe
from reco_plugin.stores.pgvector.requirements import Found, parsed
from reco_plugin.stores.pgvector.tables import Tables
from reco_plugin.stores.validation import check_vectors
from reco_plugin.types import id_map


def found(**facts):
    usual = {
        "version": "0.8.5",
        "extension_schema": "public",
        "reachable": True,
        "available": "0.8.5",
        "installable": True,
        "schema": "public",
        "may_create": True,
        "role": "shop",
        "database": "shopdb",
        "read_only": False,
    }
    return Found(**usual | facts)


def test_names():
    assert isinstance(choose_store("numpy", "default"), NumpyStore)
    assert isinstance(choose_store("reco_plugin.stores.numpy.NumpyStore", "default"), NumpyStore)


@pytest.mark.parametrize("name", ["pinecone", "", "nowhere.Store", "reco_plugin.stores.Nothing"])
def test_a_wrong_name_is_explained(name):
    with pytest.raises(ImproperlyConfigured, match="RECO_STORE"):
        choose_store(name, "default")


def test_a_path_that_is_no_callable_is_explained():
    with pytest.raises(ImproperlyConfigured, match="not callable"):
        choose_store("reco_plugin.stores.numpy.ITEM_ROWS", "default")


def test_another_database_than_postgresql(monkeypatch):
    sqlite = {"shop": type("Connection", (), {"vendor": "sqlite"})}
    monkeypatch.setattr(choice, "connections", sqlite)
    assert isinstance(choose_store("auto", "shop"), NumpyStore)
    with pytest.raises(ImproperlyConfigured, match="needs PostgreSQL"):
        choose_store("pgvector", "shop")


def test_nothing_in_the_way():
    assert list(found().blockers()) == list(found().advice()) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"version": None, "available": None}, "CREATE EXTENSION vector;"),
        ({"version": None, "installable": False}, "CREATE EXTENSION vector;"),
        ({"version": None, "available": "0.7.0"}, "ALTER EXTENSION vector UPDATE;"),
        ({"version": "0.7.4"}, "ALTER EXTENSION vector UPDATE;"),
        ({"reachable": False, "extension_schema": "ext"}, 'SET search_path = "public", "ext";'),
        ({"may_create": False}, 'GRANT CREATE ON SCHEMA "public" TO "shop";'),
        ({"schema": None, "may_create": False}, "search_path"),
        ({"read_only": True}, "read-only"),
    ],
)
def test_each_obstacle_says_what_to_do(facts, words):
    (reason,) = found(**facts).blockers()
    assert words in reason


def test_an_old_version_that_works_is_advised_against():
    assert list(found(version="0.8.2").blockers()) == []
    (advice,) = found(version="0.8.2").advice()
    assert "0.8.4" in advice
    assert parsed("0.10.0-dev") > parsed("0.8.4")


def test_a_state_of_another_store_is_explained():
    with pytest.raises(StoreError, match="not published by the pgvector store"):
        Tables.of({"token": "x"})


def test_fresh_names_never_repeat():
    assert len({Tables.fresh(1).items for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"item_vectors": np.ones((2, 4), np.float32)}, "3 item keys need vectors"),
        ({"item_vectors": np.ones((3, 0), np.float32)}, "d > 0"),
        ({"item_biases": np.ones(2, np.float32)}, "as many biases"),
        ({"shopper_vectors": np.ones((1, 5), np.float32)}, "4 dimensions, shopper vectors 5"),
    ],
)
def test_shapes_that_disagree(change, words):
    usual = {
        "items": id_map([1, 2, 3]),
        "item_vectors": np.ones((3, 4), np.float32),
        "item_biases": np.ones(3, np.float32),
        "shoppers": id_map(["a"]),
        "shopper_vectors": np.ones((1, 4), np.float32),
    }
    check_vectors(Vectors(**usual))
    with pytest.raises(StoreError, match=words):
        check_vectors(Vectors(**usual | change))


def test_recall_counts_ties_as_found():
    items = id_map(list(range(20)))
    exact = np.array([5.0] * 2 + [1.0] * 18, dtype=np.float32)

    def search(number, ef):
        return [Scored(key=key, score=0) for key in (0, 1, *range(12, 20))]

    assert probe.recall_at_10(items, lambda n: np.stack([exact] * len(n)), 3, search, 100) == 1
    exact[10:] = 0
    assert probe.recall_at_10(items, lambda n: np.stack([exact] * len(n)), 3, search, 100) == (
        pytest.approx(0.2)
    )


@pytest.mark.parametrize(
    ("needed", "expected"), [(1, (100, 1.0)), (350, (400, 1.0)), (900, (1000, 1.0))]
)
def test_ef_search_is_raised_until_enough(needed, expected):
    assert probe.enough_ef(lambda ef: float(ef >= needed), start=100, least=0.95) == expected


def test_ef_search_has_an_end():
    assert probe.enough_ef(lambda ef: 0.5, start=100, least=0.95) == (None, 0.5)
