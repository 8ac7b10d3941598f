"""What can be measured on this log, what cannot, and why: as the product says it."""

from __future__ import annotations

from reco_plugin.evaluation.statement import cannot, empty, remarks, strange

__all__ = ["cannot", "empty", "remarks", "strange"]
