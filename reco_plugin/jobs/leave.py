"""The way out: everything that is ours is taken away, and nothing that is the shop's."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connections, transaction

from reco_plugin import backends, clock, conf
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import stray
from reco_plugin.jobs.publish import handle
from reco_plugin.jobs.running import lease
from reco_plugin.models import Job, Run
from reco_plugin.stores.pgvector import tables

_TRACE = re.compile(
    r"reco_plugin|\bRECO_[A-Z]"
    r"|\{%-?\s*(?:load [^%]*\breco(?:_interests)?\b|recommend\w*\b|reco(?:page|_href|_interests)\b)"
)
_SKIPPED = frozenset(
    ("node_modules", "site-packages", "__pycache__", "venv", "env", "build", "dist")
)
_LANGUAGES = (".py", ".html", ".txt", ".toml", ".cfg", ".ini")
MOST_TRACES = 200


def own_tables() -> list[str]:
    """Every table of ours that is there, those of single runs too."""
    connection = connections[conf.settings.DATABASE]
    models = apps.get_app_config("reco").get_models(include_auto_created=True)
    ours = {model._meta.db_table for model in models} | set(run_tables())
    return sorted(ours.intersection(connection.introspection.table_names()))


def run_tables() -> list[str]:
    """The tables of published runs, which no migration knows."""
    connection = connections[conf.settings.DATABASE]
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        return tables.older_than(cursor, clock.now() + dt.timedelta(days=1))


def own_files() -> list[Path]:
    """What lies in RECO_ARTEFACT_DIR by a name of ours."""
    folder = Path(conf.settings.ARTEFACT_DIR)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if stray.is_ours(path))


def traces() -> list[str]:
    """'path:line: text' of every line of the project that speaks of us."""
    root = Path(getattr(django_settings, "BASE_DIR", Path.cwd())).resolve()
    found: list[str] = []
    for path in _sources(root):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for number, line in enumerate(lines, start=1):
            if _TRACE.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {line.strip()[:120]}")
            if len(found) >= MOST_TRACES:
                return found
    return found


def _sources(folder: Path) -> Iterator[Path]:
    own = Path(__file__).resolve().parents[1]
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            is_left_out = path.name in _SKIPPED or path.name.startswith(".") or path == own
            if not is_left_out and not (path / "pyvenv.cfg").exists():
                yield from _sources(path)
        elif path.suffix in _LANGUAGES:
            yield path


def leave() -> None:
    """Drop the runs' tables, our own tables, our content types with their permissions, and the files.

    Raises RecoError while a job is running; StoreError when a table is read all the time.
    """
    _demand_quiet()
    runs = Run.objects.using(conf.settings.DATABASE).exclude(store="")
    for run in runs:
        backends.store(run.store).drop(handle(run))
    _drop_orphans()
    files = own_files()
    call_command("migrate", "reco", "zero", database=conf.settings.DATABASE, verbosity=0)
    _forget_content_types()
    for path in files:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    _remove_empty(Path(conf.settings.ARTEFACT_DIR))


def _demand_quiet() -> None:
    since = clock.now() - lease.silence()
    running = Job.objects.using(conf.settings.DATABASE).filter(
        token__isnull=False, beat_at__gte=since
    )
    names = ", ".join(running.values_list("name", flat=True))
    if names:
        raise RecoError(
            f"Running now: {names}. Stop the workers, beat and cron first, or they write on."
        )


def _drop_orphans() -> None:
    using = conf.settings.DATABASE
    names = run_tables()
    if names:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            tables.remove(cursor, names)


def _forget_content_types() -> None:
    """With them go the permissions of our models, and nothing else of the shop's."""
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.models import ContentType

        ContentType.objects.using(conf.settings.DATABASE).filter(app_label="reco").delete()


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
