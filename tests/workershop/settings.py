"""Settings of the worker shop: the test shop, a broker, and a hurry."""

import os

from testapp.settings import *  # noqa: F403
from testapp.settings import DATABASES as _TESTAPP

from reco_plugin.beat import BEAT_SCHEDULE

DATABASES = {"default": {**_TESTAPP["default"], "NAME": os.environ["WORKERSHOP_DB"]}}
CELERY_BROKER_URL = os.environ["WORKERSHOP_BROKER"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"visibility_timeout": float(os.environ["WORKERSHOP_VISIBILITY"])}
    if "WORKERSHOP_VISIBILITY" in os.environ
    else {}
)
CELERY_BEAT_SCHEDULE = {name: {**entry, "schedule": 1.0} for name, entry in BEAT_SCHEDULE.items()}
RECO_ARTEFACT_DIR = os.environ["WORKERSHOP_FOLDER"]
RECO_HEARTBEAT_SECONDS = 2.0
RECO_SHARD_ITEMS = 7
RECO_TRAINER_CONFIG = {"dimensions": 16, "epochs": 8}
RECO_TRAIN_THREADS = 1
RECO_MIN_INTERACTIONS = 100
RECO_MIN_SHOPPERS = 5
RECO_CATALOG = "workershop.catalog.SlowCatalog"
