"""The example shop's settings; TILL=without takes recommendations out of them."""

from __future__ import annotations

import os

from benchmarks.till import without

IS_WITH = os.environ.get("TILL", "with") == "with"
if not IS_WITH:
    without.stand_in()

from example_shop.project.settings import *  # noqa: E402, F403
from example_shop.project.settings import (  # noqa: E402
    DATABASES,
    INSTALLED_APPS,
    MIDDLEWARE,
    TEMPLATES,
)

ORDER_MAILS = False  # a shop leaves them to a worker; rendered in the request they would be timed
ROOT_URLCONF = "benchmarks.till.urls"
DATABASES["default"]["CONN_MAX_AGE"] = None
LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"level": "CRITICAL"}}
if not IS_WITH:
    INSTALLED_APPS = [name for name in INSTALLED_APPS if name != "reco_plugin"]
    MIDDLEWARE = [name for name in MIDDLEWARE if "reco_plugin" not in name]
    TEMPLATES[0]["OPTIONS"]["libraries"] = dict.fromkeys(
        without.LIBRARIES, "benchmarks.till.without"
    )
