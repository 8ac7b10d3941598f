"""A catalogue that is slow to read, so that there is time to help, or to die."""

from __future__ import annotations

import os
import time
from typing import Any

from testapp.reco import TestCatalog

SECONDS = float(os.environ.get("WORKERSHOP_SLOW", "0"))


class SlowCatalog(TestCatalog):
    def get_price(self, product: Any) -> float | None:
        time.sleep(SECONDS)
        return super().get_price(product)
