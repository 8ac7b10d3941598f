"""Settings of the example shop. The lines marked `reco:` are all that recommendations need."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from example_shop.demo import places
from example_shop.project.database import parse
from reco_plugin.beat import BEAT_SCHEDULE

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = places.home()

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-the-demo-change-it-in-your-shop")
DEBUG = os.environ.get("DEBUG", "") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],testserver").split(",")

DATABASES = {"default": parse(os.environ.get("DATABASE_URL") or places.embedded_database())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "example_shop.shop",
    "example_shop.demo",
    "reco_plugin",  # reco: the app
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "example_shop.project.csp.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "reco_plugin.middleware.RecoMiddleware",  # reco: the visitor cookie, and work after the answer
]

ROOT_URLCONF = "example_shop.project.urls"
WSGI_APPLICATION = "example_shop.project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "example_shop.shop.context_processors.shop",
                "example_shop.demo.context_processors.demo",
            ]
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "shop:login"
LOGIN_REDIRECT_URL = "shop:account"
LOGOUT_REDIRECT_URL = "shop:home"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
MEDIA_URL = "media/"
MEDIA_ROOT = HOME / "media"
X_FRAME_OPTIONS = "DENY"
SHOP_CURRENCY = "GBP"
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
ORDER_MAILS = True  # sent in the request, so that the demo needs no worker; leave yours to one

# reco: which model is a product, and three short classes and functions in shop/reco.py
RECO_PRODUCT_MODEL = "shop.Product"
RECO_CATALOG = "example_shop.shop.reco.ShopCatalog"
RECO_ORDERS = "example_shop.shop.reco.ShopOrders"
RECO_CART = "example_shop.shop.reco.cart_products"
RECO_BASE_URL = os.environ.get("BASE_URL", "http://127.0.0.1:8000")  # links in e-mails
RECO_ARTEFACT_DIR = str(HOME / "reco")
RECO_PHOTO_SEARCH = find_spec("onnxruntime") is not None  # of the extra `images`
RECO_ENCODER_CONFIG = {  # a small, quick network: the demo is to be ready within minutes
    "size": 48,
    "first_size": 32,
    "epochs": int(os.environ.get("ENCODER_EPOCHS", "12")),
}

if os.environ.get(
    "COMPARE_WEEKLY"
):  # all models side by side: minutes of work, so only when asked for
    RECO_INTERVALS = {"compare": 7 * 24 * 3600}

# reco: its jobs run in Celery workers where there is a broker, and beside the server where there is none
if broker := os.environ.get("CELERY_BROKER_URL"):
    CELERY_BROKER_URL = broker
    CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
