"""Settings of one key shop, named by KEYSHOP; the database by RECO_TEST_DATABASE_URL and KEYSHOP_DB."""

import os

from testapp.settings import DATABASES as _TESTAPP

KEYSHOP = os.environ["KEYSHOP"]
SECRET_KEY = "tests"
USE_TZ = "KEYSHOP_NAIVE" not in os.environ
TIME_ZONE = "UTC" if USE_TZ else "America/New_York"
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": {**_TESTAPP["default"], "NAME": os.environ["KEYSHOP_DB"]}}
if "KEYSHOP_SECOND" in os.environ:  # sessions and the rest live in a database of their own
    DATABASES = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["KEYSHOP_SECOND"]},
        "shop": DATABASES["default"],
    }
    DATABASE_ROUTERS = ["keyshops.router.Router"]
    RECO_DATABASE = "shop"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    f"keyshops.{KEYSHOP}",
    "reco_plugin",
    *os.environ.get("KEYSHOP_APP", "").split(),
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "reco_plugin.middleware.RecoMiddleware",
]
ROOT_URLCONF = "keyshops.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
RECO_PRODUCT_MODEL = {
    "integer": "integer.Product",
    "text": "text.Article",
    "late": "late.Product",
    "unique": "unique.Product",
}[KEYSHOP]
if KEYSHOP == "late":
    RECO_PRODUCT_MIGRATION = "0002_product"
elif KEYSHOP != "unique":
    RECO_ORDERS = "keyshops.reco.Orders"
RECO_STORE = os.environ.get("KEYSHOP_STORE", "auto")
RECO_ARTEFACT_DIR = os.environ.get("KEYSHOP_FOLDER", ".reco")
RECO_TRAINER_CONFIG = {"dimensions": 16, "epochs": 8}
RECO_TRAIN_THREADS = 1
RECO_MIN_INTERACTIONS = 100
RECO_MIN_SHOPPERS = 5
RECO_STATEMENT_TIMEOUT_MS = 2_000
RECO_WRITE_TIMEOUT_MS = 2_000
RECO_DEBUG_RAISE = True
