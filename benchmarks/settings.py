"""Django settings of the benchmark shop, on the database that BENCH_DATABASE_URL names."""

from __future__ import annotations

import os
import tempfile

from psycopg.conninfo import conninfo_to_dict


def _database(url: str) -> dict[str, object]:
    parts = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.get("dbname", "postgres"),
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "HOST": parts.get("host", ""),
        "PORT": parts.get("port", ""),
    }


SECRET_KEY = "benchmarks"  # noqa: S105
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": _database(os.environ.get("BENCH_DATABASE_URL", ""))}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "benchmarks.shop",
    "reco_plugin",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "reco_plugin.middleware.RecoMiddleware",
]
ROOT_URLCONF = "benchmarks.shop.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
RECO_PRODUCT_MODEL = "shop.Product"
RECO_CATALOG = "benchmarks.shop.catalog.ShopCatalog"
RECO_ORDERS = "benchmarks.shop.catalog.ShopOrders"
RECO_ARTEFACT_DIR = os.environ.get("BENCH_FOLDER", tempfile.gettempdir())
