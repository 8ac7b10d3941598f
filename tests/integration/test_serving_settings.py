"""Settings of our reads: in force for each of them, in every kind of transaction, and gone after."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from django.db import connection, transaction
from psycopg.sql import SQL

from reco_plugin.serving.reads import bounded
from reco_plugin.stores import in_force

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="settings are PostgreSQL's"),
]


def shown(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


@pytest.fixture(params=["alone", "atomic", "server-side binding"])
def around(request, monkeypatch):
    if request.param == "server-side binding":
        monkeypatch.setattr(type(connection.features), "uses_server_side_binding", True)
    return transaction.atomic if request.param == "atomic" else nullcontext


def test_in_force_for_every_statement_and_gone_after(around):
    before = {name: shown(name) for name in ("work_mem", "statement_timeout")}
    with around():
        with bounded("default", 123, {"work_mem": "7MB"}):
            assert in_force.holds("default", {"work_mem": "7MB"})
            assert not in_force.holds("default", {"work_mem": "8MB"})
            for _ in range(2):
                assert shown("work_mem") == "7MB"
                assert shown("statement_timeout") == "123ms"
        assert {name: shown(name) for name in before} == before
    assert not in_force.holds("default", {"work_mem": "7MB"})
    assert connection.get_autocommit()


@pytest.mark.parametrize("params", [None, [5]])
def test_parameters_and_awkward_values(around, params):
    with around(), bounded("default", 123, {"application_name": "it's ours"}):
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s" if params else "SELECT 5", params)
            assert cursor.fetchone() == (5,)
        assert shown("application_name") == "it's ours"


def test_statements_that_take_no_other_before_them(around):
    with around(), bounded("default", 123), connection.cursor() as cursor:
        cursor.execute(SQL("SELECT 1"))
        assert cursor.fetchone() == (1,)
        with connection.chunked_cursor() as chunked:
            chunked.execute("SELECT 2")
            assert chunked.fetchone() == (2,)
    assert shown("statement_timeout") == "0"
