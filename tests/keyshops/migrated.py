"""A key shop migrated forward and back in one process. Prints what was there, as JSON."""

from __future__ import annotations

import io
import json
import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

COLUMNS = (
    "SELECT table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_name LIKE 'reco\\_%'"
)
REACHING_OUT = (
    "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text "
    "LIKE 'reco%' AND confrelid::regclass::text NOT LIKE 'reco%'"
)


def rows(statement: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def waiting() -> str:
    """What makemigrations would write."""
    out = io.StringIO()
    call_command("makemigrations", "reco", dry_run=True, stdout=out)
    return out.getvalue()


call_command("migrate", verbosity=0)
found = {"columns": rows(COLUMNS), "reaching_out": rows(REACHING_OUT), "waiting": waiting()}
call_command("migrate", "reco", "zero", verbosity=0)
sys.stdout.write(json.dumps({**found, "left": rows(COLUMNS)}))
