"""Other libraries, where they are installed: at several settings each, chosen on the same inner cut as ours."""

from __future__ import annotations

from reco_plugin.evaluation.measuring import Entry
from reco_plugin.evaluation.peers import implicits, lightfms, rectools


def entries() -> tuple[Entry, ...]:
    """All that we know how to ask; whether they are there, `can` says."""
    return (*implicits.entries(), *lightfms.entries(), *rectools.entries())
