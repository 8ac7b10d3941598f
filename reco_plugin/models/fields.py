"""References into the shop's own tables: no constraint, no cascade, no reverse name, no shop's name
in a migration."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.db import migrations, models

from reco_plugin import conf


class _ProductReference:
    """Points wherever RECO_PRODUCT_MODEL points; its migrations say only that."""

    swappable_setting = "RECO_PRODUCT_MODEL"
    _FIXED = ("to", "on_delete", "db_constraint", "related_name")

    def __init__(self, **kwargs: Any) -> None:
        kwargs.update(
            to=conf.product_model(),
            on_delete=models.DO_NOTHING,
            db_constraint=False,
            related_name="+",
        )
        super().__init__(**kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()  # type: ignore[misc]
        for fixed in self._FIXED:
            kwargs.pop(fixed, None)
        return name, path, args, kwargs


class ProductForeignKey(_ProductReference, models.ForeignKey):  # type: ignore[type-arg]
    """Many of our rows to one product of the shop."""


class ProductOneToOne(_ProductReference, models.OneToOneField):  # type: ignore[type-arg]
    """One of our rows to one product of the shop, sharing its primary key."""


class UserForeignKey(models.ForeignKey):  # type: ignore[type-arg]
    """Many of our rows to one user of the shop; the user may vanish."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("to", django_settings.AUTH_USER_MODEL)
        kwargs.update(on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", null=True)
        super().__init__(**kwargs)


def product_dependency() -> Any:
    """The migration our first one must follow: the one that creates the shop's product."""
    app_label = conf.product_model().split(".")[0]
    if name := conf.settings.PRODUCT_MIGRATION:
        return (app_label, name)
    return migrations.swappable_dependency(conf.product_model())
