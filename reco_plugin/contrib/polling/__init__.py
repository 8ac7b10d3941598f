"""For a shop that sends no signals and whose views cannot be touched.

Orders come from its tables (RECO_ORDERS), views and the rest from the names of its URLs:
`MIDDLEWARE += ["reco_plugin.contrib.polling.PageEvents"]` and RECO_PAGE_EVENTS.
"""

from reco_plugin.contrib.polling.middleware import PageEvents

__all__ = ["PageEvents"]
