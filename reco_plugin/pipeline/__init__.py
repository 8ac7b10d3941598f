"""From a query to an ordered list of candidates, without a request.

Serving runs these steps for a shopper, evaluation runs them for a hold-out: what is measured is what
is served.
"""

from reco_plugin.pipeline.lookups import LiveRun, Reader
from reco_plugin.pipeline.order import ordered
from reco_plugin.pipeline.vector import personal_vector

__all__ = ["LiveRun", "Reader", "ordered", "personal_vector"]
