"""Candidate sources: each states its lookups and turns the answers into candidates."""

from reco_plugin.retrieval.base import (
    Answers,
    ByTaste,
    Linked,
    Lookup,
    Nearest,
    Neighbours,
    Newest,
    Query,
    Ranked,
    Related,
    Source,
)
from reco_plugin.retrieval.kinds import KINDS, Kind
from reco_plugin.retrieval.personal import Personal
from reco_plugin.retrieval.popular import Popular, PopularInCategory
from reco_plugin.retrieval.similar import Similar
from reco_plugin.retrieval.sources import SOURCES

__all__ = [
    "KINDS",
    "SOURCES",
    "Answers",
    "ByTaste",
    "Kind",
    "Linked",
    "Lookup",
    "Nearest",
    "Neighbours",
    "Newest",
    "Personal",
    "Popular",
    "PopularInCategory",
    "Query",
    "Ranked",
    "Related",
    "Similar",
    "Source",
]
