"""System checks: what is set up wrong, and what to do about it. One test is named after each id.

| id | says |
|---|---|
| reco.E001 | RECO_PRODUCT_MODEL names no installed model |
| reco.E002 | RECO_CATALOG cannot be imported or is no Catalog |
| reco.E003 | a path of the catalogue does not exist on the product |
| reco.E004 | RECO_ORDERS cannot be imported or is no OrderMapping |
| reco.E005 | a path of the order mapping does not exist on the order line |
| reco.E006 | a RECO_* setting has the wrong type or an unknown value |
| reco.E007 | a RECO_* setting names a callable that cannot be imported |
| reco.E008 | RECO_TRAINER is unknown or RECO_TRAINER_CONFIG does not suit it |
| reco.E009 | eligible() of the catalogue raises, or gives back no queryset that can be narrowed |
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
"""

from reco_plugin.checks.host import artefact_folder, middleware, store, urls
from reco_plugin.checks.shop import catalog, eligible, orders, product_model
from reco_plugin.checks.values import hooks, setting_values, trainer, unknown_settings

__all__ = [
    "artefact_folder",
    "catalog",
    "eligible",
    "hooks",
    "middleware",
    "orders",
    "product_model",
    "setting_values",
    "store",
    "trainer",
    "unknown_settings",
    "urls",
]
