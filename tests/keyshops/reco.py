"""What every key shop tells the plugin of its orders."""

import os

from reco_plugin import OrderMapping


class Orders(OrderMapping):
    model = f"{os.environ['KEYSHOP']}.Line"
    order = "order_number"
    guest = "customer"
    placed_at = "placed_at"
