"""From the first tables to today's and back in one process, with old workers writing all the while.

Prints what an old worker finds after each step, as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from keyshops import old_worker  # noqa: E402

FIRST = "0001"


def logs() -> list[Any]:
    """The column of 0002, in rows that an old worker wrote."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT log FROM reco_run ORDER BY id")
        return [json.loads(value) for (value,) in cursor.fetchall()]


found: dict[str, Any] = {}
call_command("migrate", "reco", FIRST, verbosity=0)
old_worker.write(1)
found["first"] = old_worker.read()
call_command("migrate", verbosity=0)
found["forward"] = old_worker.read()
old_worker.write(2)
found["written"] = old_worker.read()
found["logs"] = logs()
call_command("migrate", "reco", FIRST, verbosity=0)
found["back"] = old_worker.read()
call_command("migrate", "reco", verbosity=0)
found["again"] = old_worker.read()
sys.stdout.write(json.dumps(found))
