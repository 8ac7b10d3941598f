"""Which of an order's statuses mean paid, cancelled, refunded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import DatabaseError, connections, transaction

from reco_plugin import conf
from reco_plugin.catalog.scaffold import words
from reco_plugin.catalog.scaffold.fields import Field, Model
from reco_plugin.catalog.scaffold.words import tokens

NEWEST = 2_000
"""Rows whose statuses are looked at, where the model lists none."""
MOST = 30


@dataclass(kw_only=True)
class Statuses:
    """The values of one status field, sorted by what they seem to mean."""

    name: str
    paid: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    refunded: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    """Somebody should look at them."""
    labels: dict[str, str] = field(default_factory=dict)
    """What people see of a value, where that is another word."""

    def called(self, value: str) -> str:
        """'40 (Returned)'"""
        return f"{value} ({self.labels[value]})" if value in self.labels else value

    @property
    def known(self) -> int:
        return len(self.paid) + len(self.cancelled) + len(self.refunded)


def sorted_out(name: str, values: Iterable[tuple[Any, str]]) -> Statuses:
    """(value, label) pairs, by the words in both."""
    found = Statuses(name=name)
    for value, label in values:
        if label and label.lower() != str(value).lower():
            found.labels[str(value)] = label
        _put(found, str(value), tokens(str(value)) | tokens(label))
    return found


def _put(found: Statuses, value: str, told: frozenset[str]) -> None:
    part = told & {"partial", "partially"}
    if told & words.NOT_YET:
        found.waiting.append(value)
    elif told & words.REFUNDED and not part:
        found.refunded.append(value)
    elif told & words.CANCELLED:
        found.cancelled.append(value)
    else:
        _put_paid(found, value, told)


def _put_paid(found: Statuses, value: str, told: frozenset[str]) -> None:
    is_sure = told & words.PAID and not told & {"partial", "partially"}
    if is_sure or told & (words.MAYBE_PAID | words.PAID | words.REFUNDED):
        found.paid.append(value)
    else:
        found.waiting.append(value)
    if not is_sure:
        found.doubtful.append(value)


def values_of(model: Model, status: Field) -> list[tuple[Any, str]]:
    """Its choices, else what the newest rows hold; nothing where the table cannot be read."""
    if status.choices:
        return [
            (value, str(label)) for value, label in status.flatchoices if value not in (None, "")
        ]
    using = conf.settings.DATABASE
    rows = model._default_manager.using(using).order_by("-pk").values_list(status.name, flat=True)
    try:
        with transaction.atomic(using=using):
            if model._meta.db_table not in connections[using].introspection.table_names():
                return []
            found = sorted({str(value) for value in rows[:NEWEST] if value not in (None, "")})
    except DatabaseError:
        return []
    return [(value, value) for value in islice(found, MOST)]
