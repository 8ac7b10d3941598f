"""Our tables: made, up to date, and ours to use."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

from reco_plugin import conf
from reco_plugin.doctor.finding import Finding, error, ok
from reco_plugin.doctor.looking import is_postgresql, rows
from reco_plugin.models import Item

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")

_MISSING = """
SELECT name, kind FROM unnest(%s::text[]) AS t(name), unnest(%s::text[]) AS r(kind)
WHERE to_regclass(quote_ident(name)) IS NOT NULL
  AND NOT has_table_privilege(to_regclass(quote_ident(name)), kind)
ORDER BY name, kind"""


def ours() -> list[type[Model]]:
    """Every model of the app that has a table of its own."""
    models = apps.get_app_config("reco").get_models(include_auto_created=True)
    return [model for model in models if model._meta.managed and not model._meta.proxy]


def are_there() -> bool:
    connection = connections[conf.settings.DATABASE]
    return Item._meta.db_table in connection.introspection.table_names()


def migrations(site: int) -> Iterator[Finding]:
    executor = MigrationExecutor(connections[conf.settings.DATABASE])
    leaves = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "reco"]
    waiting = [step.name for step, _ in executor.migration_plan(leaves) if step.app_label == "reco"]
    using = conf.settings.DATABASE
    if waiting:
        yield error(
            "tables.migrations",
            f"Not applied yet: {', '.join(waiting)}.",
            f"python manage.py migrate --database {using}"
            if using != "default"
            else "python manage.py migrate",
        )
    else:
        yield ok("tables.migrations", "Every migration is applied.")


def privileges(site: int) -> Iterator[Finding]:
    if not is_postgresql():
        return
    names = [model._meta.db_table for model in ours()]
    missing = rows(_MISSING, [names, list(RIGHTS)])
    if not missing:
        yield ok("tables.privileges", f"The role may read and write all {len(names)} tables.")
        return
    tables = sorted({name for name, _ in missing})
    ((role,),) = rows("SELECT quote_ident(current_user)")
    quote = connections[conf.settings.DATABASE].ops.quote_name
    yield error(
        "tables.privileges",
        f"The role may not use {len(tables)} of our tables: "
        + ", ".join(f"{name} ({kind})" for name, kind in missing[:8]),
        f"Ask a DBA for: GRANT {', '.join(RIGHTS)} ON {', '.join(map(quote, tables))} TO {role};",
    )
