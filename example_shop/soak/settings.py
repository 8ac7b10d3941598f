"""The example shop, in a hurry: every job is due within seconds or minutes."""

from example_shop.project.settings import *  # noqa: F403

RECO_HEARTBEAT_SECONDS = 4.0
RECO_INTERVALS = {
    "sync_items": 45,
    "sync_orders": 5,
    "popular": 30,
    "train": 120,
    "score": 120,
    "evaluate": 150,
    "rollup": 20,
    "sweep": 60,
    "prune": 60,
}
RECO_ARTEFACT_DIR = str(HOME / "reco")  # noqa: F405
CELERY_BEAT_SCHEDULE = {
    name: {**entry, "schedule": 2.0}
    for name, entry in CELERY_BEAT_SCHEDULE.items()  # noqa: F405
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {process} {levelname} {name}: {message}", "style": "{"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "reco_plugin": {"handlers": ["stderr"], "level": "INFO"},
        "django.request": {"handlers": ["stderr"], "level": "ERROR"},
    },
}
