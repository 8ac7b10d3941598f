"""Sends the shop's own tables and its users to the shop's database; of ours it knows nothing."""

from __future__ import annotations

from typing import Any


class Router:
    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        mine = ("integer", "text", "auth", "contenttypes")
        return "shop" if model._meta.app_label in mine else None

    db_for_write = db_for_read
