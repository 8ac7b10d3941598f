"""Both stores pass the suite we ship."""

from __future__ import annotations

import pytest
from django.db import connection

from reco_plugin.stores.numpy import NumpyStore
from reco_plugin.stores.pgvector import PgvectorStore
from reco_plugin.testing.stores import StoreConformance

needs_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="pgvector lives in PostgreSQL"
)


class TestNumpyStore(StoreConformance):
    def make_store(self):
        return NumpyStore("default")


@needs_postgresql
class TestPgvectorStore(StoreConformance):
    def make_store(self):
        return PgvectorStore("default")


@needs_postgresql
class TestPgvectorStoreBindingOnTheServer(StoreConformance):
    """The same with one statement per message, as OPTIONS['server_side_binding'] wants it."""

    @pytest.fixture(autouse=True)
    def server_side_binding(self, monkeypatch):
        monkeypatch.setattr(
            "reco_plugin.stores.pgvector.queries._binds_on_client", lambda cursor: False
        )

    def make_store(self):
        return PgvectorStore("default")
