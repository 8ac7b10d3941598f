"""The product, the catalogue and the order mapping."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags
from django.core.checks import Warning as Caution
from django.core.exceptions import EmptyResultSet, ImproperlyConfigured
from django.db import DatabaseError, connections, models
from django.utils.module_loading import import_string

from reco_plugin import backends, conf
from reco_plugin.catalog import Catalog, OrderMapping
from reco_plugin.checks.paths import broken_path, class_texts, did_you_mean
from reco_plugin.checks.registration import Messages, check


@check(Tags.models)
def product_model(databases: Sequence[str]) -> Messages:
    """reco.E001"""
    label = conf.settings.PRODUCT_MODEL
    try:
        apps.get_model(conf.product_model())
    except ImproperlyConfigured as error:
        yield Error(str(error), hint="Write it as 'app_label.Model'.", id="reco.E001")
    except LookupError:
        known = [model._meta.label for model in apps.get_models()]
        yield Error(
            f"RECO_PRODUCT_MODEL = {label!r} names no installed model.",
            hint=did_you_mean(label, known) or "Is its app in INSTALLED_APPS?",
            id="reco.E001",
        )


@check()
def catalog(databases: Sequence[str]) -> Messages:
    """reco.E002, reco.E003"""
    found = yield from _subclass("RECO_CATALOG", conf.settings.CATALOG, Catalog, "reco.E002")
    product = _product()
    if not found or product is None:
        return
    yield from _misspelt(found, Catalog)
    if found.url is Catalog.url and not hasattr(product, "get_absolute_url"):
        yield Caution(
            f"{product.__name__} has no get_absolute_url(), so the tiles that show it lead nowhere.",
            hint="Write one, or override url(product) of the catalogue.",
            obj=found,
            id="reco.W009",
        )
    for name, path in _catalog_paths(found):
        if problem := broken_path(product, path.split(".")):
            yield Error(
                f"{found.__name__}.{name} = {path!r}: {problem[0]}",
                hint=problem[1] or _instead_of_a_path(product, name.partition("[")[0]),
                obj=found,
                id="reco.E003",
            )


def _instead_of_a_path(product: type[models.Model], name: str) -> str:
    method = {"category": "get_categories"}.get(name, f"get_{name}")
    other = f", or override {method}()" if hasattr(Catalog, method) else ""
    known = ", ".join(sorted(field.name for field in product._meta.get_fields() if field.concrete))
    return f"Name a field or property of the product{other}, or delete the line. It has: {known}."


@check()
def eligible(databases: Sequence[str]) -> Messages:
    """reco.E009: asked for without a request, and never run"""
    if _product() is None:
        return
    using = conf.settings.DATABASE
    try:
        shop = backends.catalog()
        with connections[using].execute_wrapper(_no_sql):
            queryset = shop.eligible(shop.products(), None).filter(pk__isnull=False)
            queryset.query.get_compiler(using=using).as_sql()
    except (EmptyResultSet, ImproperlyConfigured, DatabaseError):
        return
    except Exception as error:  # noqa: BLE001  the shop's own code
        yield Error(
            f"{conf.settings.CATALOG}.eligible() cannot be used, so no page shows anything: "
            f"{type(error).__name__}: {error}",
            hint="Return the queryset itself, filtered: no list, slice, union or values(). It is "
            "called with request=None by jobs and e-mails.",
            id="reco.E009",
        )


def _no_sql(*_: object) -> Any:
    raise DatabaseError("A system check runs no SQL.")


@check()
def orders(databases: Sequence[str]) -> Messages:
    """reco.E004, reco.E005"""
    if not (path := conf.settings.ORDERS):
        return
    mapping = yield from _subclass("RECO_ORDERS", path, OrderMapping, "reco.E004")
    if not mapping:
        return
    try:
        line = apps.get_model(mapping.model)
    except (LookupError, ValueError):
        known = [model._meta.label for model in apps.get_models()]
        yield Error(
            f"{mapping.__name__}.model = {mapping.model!r} names no installed model.",
            hint=did_you_mean(mapping.model, known) or "Name the shop's order line model.",
            obj=mapping,
            id="reco.E005",
        )
        return
    yield from _misspelt(mapping, OrderMapping)
    yield from _order_paths(mapping, line)
    if not (mapping.user or mapping.visitor or mapping.guest):
        yield Caution(
            f"{mapping.__name__} names neither user, visitor nor guest: every order counts as another "
            "person's, and nobody is shown anything by what they bought.",
            hint="Name at least one, e.g. user = 'order__user_id'.",
            obj=mapping,
            id="reco.W010",
        )
    for name in ("paid", "cancelled", "refunded"):
        if getattr(mapping, name) and not mapping.status:
            yield Error(
                f"{mapping.__name__}.{name} names statuses, but its status is empty.",
                hint="Name the status' path too, e.g. status = 'order__status'.",
                obj=mapping,
                id="reco.E005",
            )
            return


def _order_paths(mapping: type[OrderMapping], line: type[models.Model]) -> Messages:
    paths = {
        name: value
        for name, value in class_texts(mapping, OrderMapping)
        if name != "model" and value
    }
    for name, path in paths.items():
        problem = broken_path(line, path.split("__"), lookup=True)
        if problem and not _is_annotated(mapping, path):
            yield Error(
                f"{mapping.__name__}.{name} = {path!r}: {problem[0]}",
                hint=problem[1]
                or "Write a Django lookup from the order line, e.g. 'order__user_id'.",
                obj=mapping,
                id="reco.E005",
            )


def _is_annotated(mapping: type[OrderMapping], path: str) -> bool:
    """Does queryset() of the mapping make what the path names?"""
    try:
        with connections[conf.settings.DATABASE].execute_wrapper(_no_sql):
            mapping().queryset().values_list(path)
    except Exception:  # noqa: BLE001  the shop's own code
        return False
    return True


def _subclass(setting: str, path: str, base: type, code: str) -> Generator[CheckMessage, None, Any]:
    """Yield what is wrong with the class at `path`; return it when nothing is."""
    try:
        found = import_string(path)
    except ImportError as error:
        yield Error(
            f"{setting} = {path!r} cannot be imported: {error}",
            hint=f"Name your {base.__name__} subclass by its dotted path, e.g. 'shop.reco.Shop{base.__name__}'.",
            id=code,
        )
        return None
    if not (isinstance(found, type) and issubclass(found, base)):
        yield Error(
            f"{setting} = {path!r} is no {base.__name__}.",
            hint=f"Let it inherit from reco_plugin.catalog.{base.__name__}.",
            id=code,
        )
        return None
    return found


def _misspelt(found: type, base: type) -> Messages:
    """reco.W008: an attribute of the shop's class that `base` nearly has."""
    known = [name for name in vars(base) if not name.startswith("_")]
    for name, value in vars(found).items():
        if name.startswith("_") or hasattr(base, name) or callable(value):
            continue
        if hint := did_you_mean(name, known):
            yield Caution(
                f"{found.__name__}.{name} is not read by anything.",
                hint=hint,
                obj=found,
                id="reco.W008",
            )


def _product() -> type[models.Model] | None:
    try:
        return apps.get_model(conf.product_model())
    except LookupError:
        return None


def _catalog_paths(found: type[Catalog]) -> Iterator[tuple[str, str]]:
    for name, value in class_texts(found, Catalog):
        if name != "category_parent" and value:
            yield name, value
    for name, path in found.attributes.items():
        yield f"attributes[{name!r}]", path
