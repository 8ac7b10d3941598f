"""System checks: what is set up wrong, and what to do about it. One test is named after each id.

| id | says |
|---|---|
| reco.E001 | RECO_PRODUCT_MODEL names no installed model |
| reco.E002 | RECO_CATALOG cannot be imported or is no Catalog |
| reco.E003 | a path of the catalogue does not exist on the product |
| reco.E004 | RECO_ORDERS cannot be imported or is no OrderMapping |
| reco.E005 | a path of the order mapping does not exist on the order line |
| reco.E006 | a RECO_* setting has the wrong type or an unknown value |
| reco.E007 | a RECO_* setting names a callable that cannot be imported |
| reco.E008 | RECO_TRAINER is unknown or RECO_TRAINER_CONFIG does not suit it |
| reco.E009 | eligible() of the catalogue raises, or gives back no queryset that can be narrowed |
| reco.W001 | a RECO_* setting is unknown |
| reco.W002 | LightFM is not installed |
| reco.W003 | RecoMiddleware is missing |
| reco.W004 | RecoMiddleware stands before the middleware it needs |
| reco.W005 | the vector store cannot be used as asked (`check --database`) |
| reco.W006 | RECO_ARTEFACT_DIR is served to the web |
| reco.W007 | reco_plugin.urls is not included, so clicks are not counted |
| reco.W008 | an attribute of the catalogue or the order mapping looks misspelt |
| reco.W009 | the product has no get_absolute_url(), so its tiles lead nowhere |
| reco.W010 | the order mapping does not say who bought |
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Generator, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.core.exceptions import EmptyResultSet, FieldDoesNotExist, ImproperlyConfigured
from django.db import DatabaseError, connections, models
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from reco_plugin import backends, conf
from reco_plugin.catalog import Catalog, OrderMapping
from reco_plugin.exceptions import RecoError
from reco_plugin.stores.choice import BUILT_IN
from reco_plugin.trainers import registry
from reco_plugin.types import EventKind, Rung

Messages: TypeAlias = Iterator[CheckMessage]

CHOICES = {
    "PURCHASE_DURABILITY": ("on_commit", "transactional"),
    "FORCE_RUNG": ("", *(rung.value for rung in Rung)),
}
HOOKS = ("CART", "CONSENT", "SITE")
MIDDLEWARE = "reco_plugin.middleware.RecoMiddleware"
NEEDED = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)


def _check(*tags: str) -> Callable[[Callable[..., Messages]], Callable[..., list[CheckMessage]]]:
    """Register a check; what a setting of the wrong type breaks is left to reco.E006."""

    def decorate(check: Callable[..., Messages]) -> Callable[..., list[CheckMessage]]:
        def run(*_: object, **options: Any) -> list[CheckMessage]:
            found: list[CheckMessage] = []
            try:
                found.extend(check(options.get("databases") or ()))
            except ImproperlyConfigured:
                return found
            return found

        # functools.wraps would show Django the signature of `check`, which takes no keywords
        run.__name__, run.__doc__ = check.__name__, check.__doc__
        register(run, "reco", *tags)
        return run

    return decorate


# --- the shop ------------------------------------------------------------------------------------


@_check(Tags.models)
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
            hint=_did_you_mean(label, known) or "Is its app in INSTALLED_APPS?",
            id="reco.E001",
        )


@_check()
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
        if problem := _broken_path(product, path.split(".")):
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


@_check()
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


@_check()
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
            hint=_did_you_mean(mapping.model, known) or "Name the shop's order line model.",
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
        for name, value in _class_texts(mapping, OrderMapping)
        if name != "model" and value
    }
    for name, path in paths.items():
        if problem := _broken_path(line, path.split("__"), lookup=True):
            yield Error(
                f"{mapping.__name__}.{name} = {path!r}: {problem[0]}",
                hint=problem[1]
                or "Write a Django lookup from the order line, e.g. 'order__user_id'.",
                obj=mapping,
                id="reco.E005",
            )


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
        if hint := _did_you_mean(name, known):
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
    for name, value in _class_texts(found, Catalog):
        if name != "category_parent" and value:
            yield name, value
    for name, path in found.attributes.items():
        yield f"attributes[{name!r}]", path


def _class_texts(found: type, base: type) -> Iterator[tuple[str, str]]:
    """The text attributes that `base` declares, as `found` has them."""
    for name, default in vars(base).items():
        if isinstance(default, str) and not name.startswith("_"):
            yield name, getattr(found, name)


def _broken_path(
    model: type[models.Model], names: Sequence[str], *, lookup: bool = False
) -> tuple[str, str] | None:
    """What is wrong with a path and the hint, or None; followed as far as fields tell the way."""
    at: type[models.Model] | None = model
    for name in names:
        if at is None:
            return None
        field = _field(at, name)
        if field is None:
            if not lookup and hasattr(at, name):
                return None
            hint = _did_you_mean(name, [field.name for field in at._meta.get_fields()])
            return f"{at.__name__} has no {name!r}.", hint
        at = field.related_model if field.is_relation and name == field.name else None
    return None


def _field(model: type[models.Model], name: str) -> Any:
    if name == "pk":
        return model._meta.pk
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


# --- settings ------------------------------------------------------------------------------------


@_check()
def unknown_settings(databases: Sequence[str]) -> Messages:
    """reco.W001"""
    for name, near in conf.unknown().items():
        hint = f"Did you mean {near}?" if near else "Remove it, or see the list of settings."
        yield Caution(f"{name} is not a setting of reco_plugin.", hint=hint, id="reco.W001")


@_check()
def setting_values(databases: Sequence[str]) -> Messages:
    """reco.E006"""
    for setting in conf.documented():
        try:
            value = getattr(conf.settings, setting.name.removeprefix(conf.PREFIX))
        except ImproperlyConfigured as error:
            yield Error(str(error), hint=setting.doc, id="reco.E006")
            continue
        if problem := _bad_value(setting.name.removeprefix(conf.PREFIX), value):
            yield Error(f"{setting.name}: {problem}", hint=setting.doc, id="reco.E006")


def _bad_value(name: str, value: Any) -> str:
    if name in CHOICES and value not in CHOICES[name]:
        return f"{value!r} is not one of {', '.join(map(repr, CHOICES[name]))}."
    if name == "EVENT_WEIGHTS":
        return _bad_weights(value)
    if name == "STORE":
        return _bad_store(value)
    if isinstance(value, int | float) and value < 0:
        return f"{value!r} is below zero."
    return ""


def _bad_store(name: str) -> str:
    if name in BUILT_IN:
        return ""
    try:
        import_string(name)
    except ImportError as error:
        return f"{name!r} is neither {', '.join(map(repr, BUILT_IN))} nor can be imported: {error}."
    return ""


def _bad_weights(weights: dict[Any, Any]) -> str:
    for kind, weight in weights.items():
        try:
            EventKind.parse(kind)
            float(weight)
        except (ValueError, TypeError, AttributeError) as error:
            return f"{error}."
    return ""


@_check()
def hooks(databases: Sequence[str]) -> Messages:
    """reco.E007"""
    for name in HOOKS:
        path = getattr(conf.settings, name)
        if not (path and isinstance(path, str)):
            continue
        try:
            backends.hook(conf.PREFIX + name, path)
        except ImproperlyConfigured as error:
            yield Error(str(error), hint="Name a callable by its dotted path.", id="reco.E007")


@_check()
def trainer(databases: Sequence[str]) -> Messages:
    """reco.E008, reco.W002"""
    name = conf.settings.TRAINER
    try:
        registry.get(name)(conf.settings.TRAINER_CONFIG)
    except (RecoError, ValueError, LookupError, ImportError, TypeError) as error:
        yield Error(
            f"RECO_TRAINER = {name!r} with RECO_TRAINER_CONFIG: {error}",
            hint="Name a built-in trainer ('lightfm') or a dotted path, with its own parameters.",
            id="reco.E008",
        )
    if name == "lightfm" and find_spec("lightfm") is None:
        yield Caution(
            "LightFM is not installed, so no personal recommendations can be trained.",
            hint="pip install 'django-reco-plugin[lightfm]'",
            id="reco.W002",
        )


# --- the host ------------------------------------------------------------------------------------


@_check()
def middleware(databases: Sequence[str]) -> Messages:
    """reco.W003, reco.W004"""
    stack = list(django_settings.MIDDLEWARE)
    ours = next((at for at, path in enumerate(stack) if _is_ours(path)), None)
    if ours is None:
        yield Caution(
            "RecoMiddleware is not in MIDDLEWARE: guests are not recognised from page to page, and "
            "what is recorded is written before the response instead of after it.",
            hint=f"Add '{MIDDLEWARE}' after AuthenticationMiddleware.",
            id="reco.W003",
        )
        return
    for needed in NEEDED:
        if needed in stack[ours:]:
            yield Caution(
                f"RecoMiddleware stands before {needed.rsplit('.', 1)[1]} in MIDDLEWARE.",
                hint="Move it below: it needs to know the session and the user.",
                id="reco.W004",
            )


@_check(Tags.urls)
def urls(databases: Sequence[str]) -> Messages:
    """reco.W007"""
    if not getattr(django_settings, "ROOT_URLCONF", ""):
        return
    try:
        reverse("reco:click", args=["token"])
    except NoReverseMatch:
        yield Caution(
            "reco_plugin.urls is not included: tiles lead to their products, but clicks are not "
            "counted.",
            hint="Add path('reco/', include('reco_plugin.urls')) to your urls.py.",
            id="reco.W007",
        )


def _is_ours(path: str) -> bool:
    if path == MIDDLEWARE:
        return True
    try:
        found, ours = import_string(path), import_string(MIDDLEWARE)
    except ImportError:
        return False
    return isinstance(found, type) and isinstance(ours, type) and issubclass(found, ours)


@_check(Tags.security)
def artefact_folder(databases: Sequence[str]) -> Messages:
    """reco.W006"""
    folder = Path(conf.settings.ARTEFACT_DIR).resolve()
    for name in ("MEDIA_ROOT", "STATIC_ROOT"):
        root = getattr(django_settings, name, None)
        if root and folder.is_relative_to(Path(root).resolve()):
            yield Caution(
                f"RECO_ARTEFACT_DIR lies inside {name}, which is served to the web.",
                hint="Move it elsewhere: it holds what shoppers did.",
                id="reco.W006",
            )


@_check(Tags.database)
def store(databases: Sequence[str]) -> Messages:
    """reco.W005, only under `check --database` and `migrate`"""
    if conf.settings.DATABASE not in databases:
        return
    try:
        found = backends.store()
        advice = getattr(
            found, "advice", tuple
        )  # a store may have some; the contract asks for none
        problems = [*found.check(), *advice()]
    except (RecoError, DatabaseError, LookupError) as error:
        problems = [str(error)]
    for problem in problems:
        yield Caution(
            f"Vector store: {problem}",
            hint="See RECO_STORE; 'numpy' works in any database.",
            id="reco.W005",
        )
