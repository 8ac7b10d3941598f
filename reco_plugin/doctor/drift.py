"""Has the shop moved away from what the live run learnt?"""

from __future__ import annotations

from collections.abc import Iterator

from reco_plugin.doctor.finding import Finding, note, ok, warning
from reco_plugin.jobs.drift import newest
from reco_plugin.jobs.publish import active_run

TRAIN = "python manage.py reco_train --kind personal"


def watched(site: int) -> Iterator[Finding]:
    """What the newest look of the job `drift` suggests; nothing where no personal run is live."""
    run = active_run(site, "personal")
    if run is None:
        return
    entry = newest(run)
    if entry is None:
        yield note(
            "drift.watched", "Nobody has looked yet whether the shop has moved since the training."
        )
    elif entry["retrain"]:
        yield warning("drift.watched", entry["words"], TRAIN, docs="howto/tune")
    else:
        yield ok("drift.watched", entry["words"])
