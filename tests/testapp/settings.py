"""Settings of the deliberately awkward test shop."""

import os
from urllib.parse import parse_qsl, unquote, urlsplit


def _database(url: str) -> dict[str, object]:
    if url == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or options.get("host", ""),
        "PORT": str(parts.port or ""),
        "TEST": {"NAME": os.environ.get("RECO_TEST_NAME", "test_reco")},
    }


SECRET_KEY = "tests"
USE_TZ = True
TIME_ZONE = "UTC"
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": _database(os.environ.get("RECO_TEST_DATABASE_URL", "sqlite"))}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "testapp",
    "reco_plugin",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "reco_plugin.middleware.RecoMiddleware",
]
ROOT_URLCONF = "testapp.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUTH_USER_MODEL = "testapp.Customer"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
RECO_PRODUCT_MODEL = "testapp.Product"
RECO_CATALOG = "testapp.reco.TestCatalog"
RECO_ORDERS = "testapp.reco.TestOrders"
