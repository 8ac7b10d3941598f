"""A ring that silently ran on another database would prove nothing."""

from __future__ import annotations

import os

import pytest
from django.db import connection


@pytest.mark.django_db
def test_the_integration_ring_runs_on_postgresql():
    wanted = "sqlite" if os.environ.get("RECO_TEST_DATABASE_URL") == "sqlite" else "postgresql"
    assert connection.vendor == wanted
