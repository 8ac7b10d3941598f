"""Settings of one shape, named by SHAPE, before anything of ours is in them; pasted lines follow."""

import os
from pathlib import Path

SHAPE = os.environ["SHAPE"]
BASE_DIR = Path(os.environ["SHAPE_FOLDER"])
SECRET_KEY = "tests"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
MEDIA_URL = "/media/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "shop.db"}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    SHAPE,
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "shape_urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
pasted = BASE_DIR / "pasted.py"
if pasted.exists():
    exec(pasted.read_text())
    RECO_DEBUG_RAISE = True
SILENCED_SYSTEM_CHECKS = ["reco.W002"]  # LightFM is an extra, and no matter of a shop's shape
