"""Candidate sources: each states its lookups and turns the answers into candidates."""

from reco_plugin.retrieval.base import Lookup, Nearest, Neighbours, Query, Ranked, Source
from reco_plugin.retrieval.personal import Personal
from reco_plugin.retrieval.popular import Popular, PopularInCategory
from reco_plugin.retrieval.similar import Similar

__all__ = [
    "Lookup",
    "Nearest",
    "Neighbours",
    "Personal",
    "Popular",
    "PopularInCategory",
    "Query",
    "Ranked",
    "Similar",
    "Source",
]
