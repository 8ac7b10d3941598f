"""System checks: what is set up wrong, and what to do about it. One test is named after each id.

| id | says |
|---|---|
| reco.E001 | RECO_PRODUCT_MODEL names no installed model |
| reco.E002 | RECO_CATALOG cannot be imported or is no Catalog |
| reco.E003 | a path of the catalogue does not exist on the product |
| reco.E004 | RECO_ORDERS cannot be imported or is no OrderMapping |
| reco.E005 | a path of the order mapping does not exist on the order line |
| reco.E006 | a RECO_* setting has the wrong type or an unknown value |
| reco.E007 | a RECO_* setting names a callable or a source that cannot be used |
| reco.E008 | RECO_TRAINER is unknown or RECO_TRAINER_CONFIG does not suit it |
| reco.E009 | eligible() of the catalogue raises, or gives back no queryset that can be narrowed |
| reco.E010 | RECO_INTERVALS or RECO_TIME_LIMITS name an unknown job, or no number of seconds |
| reco.E011 | RECO_ENCODER is unknown, or RECO_ENCODER_CONFIG or RECO_ENCODER_DEVICE do not suit it |
| reco.E012 | RECO_ENCODER_SHA256 is no SHA-256, or is missing for a file that needs it |
| reco.E013 | RECO_IMAGE_HOSTS names no host, or RECO_IMAGE_FORMATS a format that cannot be opened |
| reco.W001 | a RECO_* setting is unknown |
| reco.W002 | LightFM is not installed |
| reco.W003 | RecoMiddleware is missing |
| reco.W004 | RecoMiddleware stands before the middleware it needs |
| reco.W005 | the vector store cannot be used as asked (`check --database`) |
| reco.W006 | RECO_ARTEFACT_DIR is served to the web |
| reco.W007 | reco_plugin.urls is not included, so clicks are not counted |
| reco.W008 | an attribute of the catalogue or the order mapping looks misspelt |
| reco.W009 | the product has no get_absolute_url(), so its tiles lead nowhere |
| reco.W010 | the order mapping does not say who bought |
| reco.W011 | RECO_STORE = 'auto' fell back to numpy, and why (`check --database`) |
| reco.W012 | pgvector is older than 0.8.4, with the SQL for a DBA (`check --database`) |
| reco.W013 | PostgreSQL is older than 15 (`check --database`) |
| reco.W014 | Celery is configured, but beat starts none of our tasks |
| reco.W015 | the Celery app does not look for tasks |
| reco.W016 | the default cache is local to one of several processes (`check --deploy`) |
| reco.W017 | RECO_ARTEFACT_DIR is relative (`check --deploy`) |
| reco.W018 | no template engine has the request context processor |
| reco.W019 | a placement in the database cannot be used, and why (`check --database`) |
| reco.W021 | the encoder has no weights to start from (also `check --database`) |
| reco.W022 | RECO_PHOTO_SEARCH is on, but no photo can be answered (also `check --database`) |
| reco.W023 | pictures are in quarantine, or lie on hosts that are not allowed (`check --database`) |
| reco.I001 | products have pictures, but the extra `images` is not installed: a hint, no warning |
"""

from reco_plugin.checks.database import extension, postgresql
from reco_plugin.checks.host import (
    absolute_folder,
    artefact_folder,
    middleware,
    store,
    templates,
    urls,
)
from reco_plugin.checks.pictures import (
    encoder,
    encoder_runs,
    images_extra,
    photo_search,
    picture_settings,
    quarantined_pictures,
    start_weights,
)
from reco_plugin.checks.placements import usable_placements
from reco_plugin.checks.shop import catalog, eligible, orders, product_model
from reco_plugin.checks.values import hooks, setting_values, trainer, unknown_settings
from reco_plugin.checks.workers import celery_beat, celery_tasks, schedule, shared_cache

__all__ = [
    "absolute_folder",
    "artefact_folder",
    "catalog",
    "celery_beat",
    "celery_tasks",
    "eligible",
    "encoder",
    "encoder_runs",
    "extension",
    "hooks",
    "images_extra",
    "middleware",
    "orders",
    "photo_search",
    "picture_settings",
    "postgresql",
    "product_model",
    "quarantined_pictures",
    "schedule",
    "setting_values",
    "shared_cache",
    "start_weights",
    "store",
    "templates",
    "trainer",
    "unknown_settings",
    "urls",
    "usable_placements",
]
