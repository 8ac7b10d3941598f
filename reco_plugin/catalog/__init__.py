"""The only room that knows the shop's product and order models."""

from reco_plugin.catalog.base import Catalog
from reco_plugin.catalog.orders import OrderLine, OrderMapping

__all__ = ["Catalog", "OrderLine", "OrderMapping"]
