"""A worker of the first release: it knows the tables as 0001 made them, whatever they are by now."""

from __future__ import annotations

import datetime as dt
import uuid
from functools import cache
from typing import Any

from django.db import connection, models
from django.db.migrations.loader import MigrationLoader

MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
VALUES: tuple[tuple[Any, Any], ...] = (
    (models.UUIDField, lambda number: uuid.UUID(int=number)),
    (models.DateTimeField, lambda number: MOMENT + dt.timedelta(days=number)),
    (models.CharField | models.TextField, lambda number: f"{number:03}"),
    (models.BinaryField, lambda number: bytes([number])),
    (models.JSONField, lambda number: [number]),
    (models.IntegerField, lambda number: number),
)


@cache
def tables() -> list[Any]:
    """The models of 0001, those that others refer to first."""
    state = MigrationLoader(connection).project_state(("reco", "0001_initial"))
    found = [model for model in state.apps.get_models() if model._meta.app_label == "reco"]
    return sorted(found, key=lambda model: (model.__name__ != "Run", model.__name__))


def row(model: Any, number: int) -> dict[str, Any]:
    """What the columns need that have no default."""
    return {
        field.attname: value(field, number)
        for field in model._meta.concrete_fields
        if not (field.has_default() or field.null or isinstance(field, models.AutoField))
    }


def value(field: Any, number: int) -> Any:
    if field.remote_field and field.remote_field.model.__name__ == "Run":
        return field.remote_field.model.objects.latest("pk").pk
    target = field.target_field if field.remote_field else field
    return next(make for kind, make in VALUES if isinstance(target, kind))(number)


def write(number: int) -> None:
    """A row of that number in every table, and an update of each."""
    for model in tables():
        model.objects.create(**row(model, number))
        assert model.objects.filter(site=1).update(site=1)


def read() -> dict[str, list[dict[str, str]]]:
    """Every row of every table, by table."""
    return {
        model._meta.db_table: [
            {name: str(value) for name, value in row.items()}
            for row in model.objects.order_by("pk").values()
        ]
        for model in tables()
    }
