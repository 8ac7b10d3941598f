"""The counts that a behaviour run was made of, in a file beside it, so that the next day is added to them.

They are of products, not of people: nobody is in the file. Where it is gone, or is not the one the run names,
everything is counted anew.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reco_plugin import artefacts, conf
from reco_plugin.exceptions import ArtefactCorrupt
from reco_plugin.jobs.anonymous import SUFFIX
from reco_plugin.jobs.artefacts import artefact_path, folder
from reco_plugin.models import Interaction, Run
from reco_plugin.trainers import ledger
from reco_plugin.trainers.pairs import Pairs
from reco_plugin.types import IdMap

log = logging.getLogger(__name__)

LATE = 0.01
"""Share of the events that may have come in late."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What was counted."""

    counted: Mapping[str, Pairs]
    """By relation."""
    items: IdMap
    since: dt.datetime | None
    """The first moment that was counted; None for all there was."""
    until: dt.datetime
    """The moment up to which it was."""
    events: int
    last: int
    """The newest event there was, by its number."""


def newest(site: int) -> int:
    """The number of the newest event; 0 when there is none."""
    rows = Interaction.objects.using(conf.settings.DATABASE).filter(site=site)
    return rows.order_by("-pk").values_list("pk", flat=True).first() or 0


def are_late(kept: Kept, site: int) -> bool:
    """Have many events come in of a time that was counted already (an import, say)? Adding what is new
    would miss them."""
    rows = Interaction.objects.using(conf.settings.DATABASE).filter(site=site)
    late = rows.filter(pk__gt=kept.last, occurred_at__lt=kept.until).count()
    return late > LATE * kept.events


def keep(run: Run, kept: Kept) -> None:
    """Write them; file name and checksum are set in the row, which is not saved."""
    name = f"{run.kind}-{run.pk}{SUFFIX}"
    arrays = {**ledger.to_arrays(kept.counted), "item_keys": kept.items.keys}
    run.sha256 = artefacts.save(folder() / name, arrays, {"run": run.pk, **_moments(kept)})
    run.artefact = name


def read(run: Run) -> Kept | None:
    """Read them back; None when that cannot be."""
    if not run.artefact:
        return None
    try:
        arrays, meta = artefacts.load(artefact_path(run), run.sha256)
        return Kept(
            items=IdMap(keys=arrays.pop("item_keys")),
            counted=ledger.from_arrays(arrays),
            since=dt.datetime.fromisoformat(meta["since"]) if meta["since"] else None,
            until=dt.datetime.fromisoformat(meta["until"]),
            events=meta["events"],
            last=meta["last"],
        )
    except (ArtefactCorrupt, KeyError, ValueError) as error:
        log.info("the counts of run %s cannot be gone on with: %s", run.pk, error)
        return None


def _moments(kept: Kept) -> dict[str, Any]:
    return {
        "since": kept.since.isoformat() if kept.since else "",
        "until": kept.until.isoformat(),
        "events": kept.events,
        "last": kept.last,
    }
