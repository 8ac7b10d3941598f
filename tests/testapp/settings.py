"""Settings of the deliberately awkward test shop."""

from testapp import database

SECRET_KEY = "tests"
USE_TZ = True
TIME_ZONE = "UTC"
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": database.parse(database.url())}
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
# Machines that run tests are busy.
RECO_STATEMENT_TIMEOUT_MS = 2_000
RECO_WRITE_TIMEOUT_MS = 2_000
