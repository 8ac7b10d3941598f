"""What becomes of a Picture row: accepted, refused, in quarantine, let out of it."""

from __future__ import annotations

import datetime as dt

from django.db.models import QuerySet

from reco_plugin import conf
from reco_plugin.catalog.pictures import Source
from reco_plugin.encoders.base import Fault, Refused
from reco_plugin.models import Picture, PictureState

STRIKES = 3
AGAIN_FAR = dt.timedelta(hours=6)
"""How long a picture of a storage that is no disk is taken for unchanged, without asking."""
AGAIN_UNMARKED = dt.timedelta(days=1)
"""The same, where only reading tells."""
FORGIVEN = frozenset({Fault.STORAGE, Fault.FORBIDDEN})
"""Faults of a storage or a setting: they count no strike."""
UNSEEN = frozenset({*FORGIVEN, Fault.MISSING})
"""Faults that tell nothing of the bytes: what is known of them is kept."""
FIELDS = (
    "position", "marker", "content_hash", "state", "strikes", "reason", "words", "looked_at",
)  # fmt: skip


def pictures() -> QuerySet[Picture]:
    return Picture.objects.using(conf.settings.DATABASE).all()


def accept(row: Picture, marker: str, digest: str) -> None:
    """It could be opened. Saves nothing."""
    row.marker, row.content_hash, row.state = marker, digest, PictureState.READABLE
    row.strikes, row.reason, row.words = 0, "", ""


def refuse(row: Picture, refused: Refused, marker: str = "") -> None:
    """It could not: a strike, and quarantine at the third of the same file. Saves nothing.

    Where its storage or a setting is at fault there is no strike, and what is known of the picture stays.
    Where the file is missing that stays until the third time, for a volume may come back.
    """
    row.reason, row.words = refused.fault, refused.words
    if refused.fault in FORGIVEN:
        if row.state == PictureState.WAITING or refused.fault == Fault.FORBIDDEN:
            row.state = PictureState.REFUSED
        return
    if refused.fault != Fault.MISSING:
        if row.marker != marker:
            row.strikes = 0
        row.content_hash = ""
    row.marker = marker
    row.strikes = min(row.strikes + 1, STRIKES)
    is_out = row.strikes >= STRIKES
    row.state = PictureState.QUARANTINED if is_out else PictureState.REFUSED


def release(rows: QuerySet[Picture]) -> int:
    """Let them out of quarantine: they are read again by the next look. Returns how many."""
    return rows.filter(state=PictureState.QUARANTINED).update(
        state=PictureState.WAITING, strikes=0, marker="", reason="", words=""
    )


def is_settled(row: Picture) -> bool:
    """Does the same file need no second look?"""
    if row.state == PictureState.QUARANTINED:
        return row.reason not in UNSEEN
    return row.state == PictureState.READABLE


def is_due(row: Picture, source: Source, now: dt.datetime) -> bool:
    """Is it time to ask its storage again?"""
    if source.is_near or row.looked_at is None:
        return True
    if row.state in (PictureState.WAITING, PictureState.REFUSED):
        return True
    is_marked = row.marker[:1] not in ("", "#")
    return now - row.looked_at > (AGAIN_FAR if is_marked else AGAIN_UNMARKED)
