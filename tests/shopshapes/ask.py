"""`reco_init` in a shop that knows nothing of us yet; it may have sold something already."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import django

django.setup()

from django.core.management import call_command  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
fill = import_module(f"{os.environ['SHAPE']}.fill")
if hasattr(fill, "before"):
    fill.before()

from reco_plugin.__main__ import main  # noqa: E402

sys.exit(main(["init", sys.argv[1], "--write", "--json"]))
