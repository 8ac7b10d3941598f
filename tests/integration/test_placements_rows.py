"""A shop's own rows over the placements that come with the app."""

from __future__ import annotations

import logging

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader

from reco_plugin import placements
from reco_plugin.models import Placement
from reco_plugin.placements import creating
from reco_plugin.types import Filter

pytestmark = pytest.mark.django_db


@pytest.fixture
def empty():
    Placement.objects.all().delete()


def test_migrating_leaves_a_row_for_each_that_comes_with_the_app():
    rows = {row.slug: row for row in Placement.objects.filter(site=1)}
    assert set(rows) == set(placements.BY_SLUG)
    for slug, row in rows.items():
        assert placements.spec_of(row) == placements.BY_SLUG[slug]


def test_a_row_takes_the_place_of_what_came_with_the_app(django_assert_num_queries):
    Placement.objects.filter(slug="home_new").update(title="Fresh", is_active=False)
    Placement.objects.create(
        slug="mine",
        page="home",
        order=5,
        kinds=["popular"],
        filters=[{"field": "brand", "op": "is", "value": "A"}],
    )
    with django_assert_num_queries(1):
        found = placements.in_force(1)
    assert (found["home_new"].title, found["home_new"].is_active) == ("Fresh", False)
    assert found["mine"].filters == (Filter(field="brand", op="is", value="A"),)
    assert found.notes == {}
    on_page = [spec.slug for spec in placements.on_page(1, "home")]
    assert on_page[0] == "mine"
    assert "home_new" not in on_page
    assert "mine" not in placements.in_force(2)


def test_without_rows_those_that_come_with_the_app_are_in_force(empty):
    assert dict(placements.in_force(1)) == placements.BY_SLUG


@pytest.mark.parametrize("is_active", [True, False])
def test_a_broken_row_breaks_nothing_and_stays_as_hidden_as_it_was(is_active):
    rows = Placement.objects.filter(slug="home_new")
    rows.update(min_items=9, max_items=3, is_active=is_active)
    Placement.objects.create(slug="mine", page="home", kinds="nonsense")
    found = placements.in_force(1)
    assert "mine" not in found
    assert found["home_new"].max_items == placements.BY_SLUG["home_new"].max_items
    assert found["home_new"].is_active is is_active
    assert "At least 9 but at most 3" in found.notes["home_new"]
    assert "kinds has 'nonsense'" in found.notes["mine"]
    assert all(spec.slug != "mine" for spec in placements.on_page(1, "home"))


def test_missing_rows_are_made_and_others_left_alone():
    Placement.objects.filter(slug="home_new").update(title="Fresh")
    Placement.objects.filter(slug="home_trending").delete()
    assert placements.create_missing(1) == ["home_trending"]
    assert placements.create_missing(1) == []
    assert Placement.objects.get(slug="home_new").title == "Fresh"
    assert len(placements.create_missing(7)) == len(placements.PRESETS)


# --- after migrate -------------------------------------------------------------------------------


def test_migrate_makes_them_again(empty):
    call_command("migrate", "reco", verbosity=0)
    assert Placement.objects.count() == len(placements.PRESETS)


def test_rows_are_made_for_the_shop_of_the_setting_and_for_none_where_a_hook_says_which(
    empty, settings
):
    settings.RECO_SITE = "testapp.reco.which_site"
    placements.after_migrate("default")
    assert not Placement.objects.exists()
    settings.RECO_SITE = 3
    placements.after_migrate("default")
    assert set(Placement.objects.values_list("site", flat=True)) == {3}


def test_other_databases_and_earlier_states_are_left_alone(empty):
    placements.after_migrate("elsewhere")
    before = MigrationLoader(connection).project_state(("reco", "0003_interaction_product"))
    placements.after_migrate("default", before.apps)
    assert not Placement.objects.exists()


def test_a_router_is_heeded(empty, monkeypatch):
    monkeypatch.setattr(creating.router, "allow_migrate_model", lambda using, model: False)
    placements.after_migrate("default", apps)
    assert not Placement.objects.exists()


def test_a_database_that_refuses_does_not_stop_migrate(empty, monkeypatch, caplog):
    def refuse(*args: object) -> None:
        raise DatabaseError("read only")

    monkeypatch.setattr(creating, "create_missing", refuse)
    with caplog.at_level(logging.WARNING):
        placements.after_migrate("default")
    assert "read only" in caplog.text
