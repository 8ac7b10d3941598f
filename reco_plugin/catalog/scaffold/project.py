"""What the project's settings lack, and where a file can be written."""

from __future__ import annotations

import logging
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings as django_settings
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import CreateModel
from django.urls import NoReverseMatch, reverse

from reco_plugin import conf
from reco_plugin.catalog.scaffold.fields import Model

logger = logging.getLogger(__name__)

MIDDLEWARE = "reco_plugin.middleware.RecoMiddleware"
REQUEST = "django.template.context_processors.request"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the classes go."""

    path: Path
    module: str
    """Dotted name of that file."""


def place(product: Model, app_label: str = "") -> Place:
    """`reco.py` of the product's app; of an app of the project's own where that is an installed package.

    Raises LookupError for an `app_label` that is not installed.
    """
    wanted = apps.get_app_config(app_label or product._meta.app_label)
    if not app_label and _is_installed(wanted):
        own = [config for config in apps.get_app_configs() if not _is_installed(config)]
        wanted = own[0] if own else wanted
    return Place(path=Path(wanted.path) / "reco.py", module=f"{wanted.name}.reco")


def _is_installed(config: AppConfig) -> bool:
    path = Path(config.path).resolve()
    installed = {
        Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")
    }
    return config.name == "reco_plugin" or any(path.is_relative_to(one) for one in installed)


def settings_lines(product: Model, module: str, catalog: str, orders: str) -> list[str]:
    """Lines to paste at the end of the settings; what is there already is left out."""
    lines = []
    if not _has_app():
        lines.append('INSTALLED_APPS += ["reco_plugin"]')
    if MIDDLEWARE not in django_settings.MIDDLEWARE:
        lines.append(f'MIDDLEWARE += ["{MIDDLEWARE}"]')
    wanted = {
        "RECO_PRODUCT_MODEL": product._meta.label,
        "RECO_PRODUCT_MIGRATION": _later_migration(product),
        "RECO_CATALOG": f"{module}.{catalog}",
        "RECO_ORDERS": f"{module}.{orders}" if orders else "",
    }
    lines += [
        f'{name} = "{value}"'
        for name, value in wanted.items()
        if value and not _is_set(name, value)
    ]
    if hasattr(django_settings, "BASE_DIR") and not hasattr(django_settings, "RECO_ARTEFACT_DIR"):
        lines.append('RECO_ARTEFACT_DIR = BASE_DIR / ".reco"')
    return lines


def _is_set(name: str, value: str) -> bool:
    found = getattr(django_settings, name, "")
    return found == value and not isinstance(found, conf.Lent)


def _has_app() -> bool:
    entries = django_settings.INSTALLED_APPS
    return any(entry.partition(".")[0] == "reco_plugin" for entry in entries)


def _later_migration(product: Model) -> str:
    """The migration that creates the product, where that is not its app's first one."""
    label, name = product._meta.app_label, product.__name__.lower()
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    ours = {key[1]: one for key, one in loader.disk_migrations.items() if key[0] == label}
    for number, migration in sorted(ours.items()):
        made = [op.name.lower() for op in migration.operations if isinstance(op, CreateModel)]
        if name in made:
            is_first = all(app != label for app, _ in migration.dependencies)
            return "" if is_first else str(number)
    return ""


def lacks_request_processor() -> bool:
    engines = [
        one for one in django_settings.TEMPLATES if "DjangoTemplates" in str(one.get("BACKEND"))
    ]
    options: list[Any] = [one.get("OPTIONS") or {} for one in engines]
    return not any(REQUEST in one.get("context_processors", ()) for one in options)


def has_urls() -> bool:
    """Whether our addresses are included already; False where the project's cannot be loaded."""
    try:
        reverse("reco:click", args=["x"])
    except NoReverseMatch:
        return False
    except Exception:  # somebody's urls.py does not import: no reason not to help with the models
        logger.debug("the addresses cannot be loaded", exc_info=True)
        return False
    return True


URLS = """\
from django.urls import include, path

urlpatterns += [path("reco/", include("reco_plugin.urls"))]
"""

TEMPLATES = """\
{% load reco %}
{# on the home page #}
{% recopage "home" as page %}{% for row in page.slates %}{% recommend row %}{% endfor %}
{# on a product's page #}
{% recopage "product" product=product as page %}{% for row in page.slates %}{% recommend row %}{% endfor %}
{# also for category, cart, thanks, search, no_results, account: see the admin's Placements #}
"""
