"""Settings of one key shop, named by KEYSHOP; the database by RECO_TEST_DATABASE_URL and KEYSHOP_DB."""

import os

from testapp.settings import DATABASES as _TESTAPP

KEYSHOP = os.environ["KEYSHOP"]
SECRET_KEY = "tests"
USE_TZ = True
DATABASES = {"default": {**_TESTAPP["default"], "NAME": os.environ["KEYSHOP_DB"]}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    f"keyshops.{KEYSHOP}",
    "reco_plugin",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
RECO_PRODUCT_MODEL = {
    "integer": "integer.Product",
    "text": "text.Article",
    "late": "late.Product",
}[KEYSHOP]
if KEYSHOP == "late":
    RECO_PRODUCT_MIGRATION = "0002_product"
