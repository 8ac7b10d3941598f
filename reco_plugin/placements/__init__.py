"""Which spots a shop's pages have, what fills them and by which rules."""

from reco_plugin.placements.creating import after_migrate, create_missing
from reco_plugin.placements.plain import as_json, from_json
from reco_plugin.placements.presets import BY_SLUG, PRESETS, heading
from reco_plugin.placements.rows import (
    InForce,
    in_force,
    of_page,
    on_page,
    read,
    spec_of,
)
from reco_plugin.placements.validation import advice, problems

__all__ = [
    "BY_SLUG",
    "PRESETS",
    "InForce",
    "advice",
    "after_migrate",
    "as_json",
    "create_missing",
    "from_json",
    "heading",
    "in_force",
    "of_page",
    "on_page",
    "problems",
    "read",
    "spec_of",
]
