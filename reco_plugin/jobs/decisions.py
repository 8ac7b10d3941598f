"""What people decided about runs: who, when, what and why, kept with the run.

What a gate rejected can go live all the same. Of a blend the lists are kept, of an encoder the files, just as
they would be of one that was published: they are live at once. The vectors of a personal run are in no store yet,
so that is for the job `train` to do: the decision is written down here, and found there.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

import numpy as np
from django.db import transaction

from reco_plugin import artefacts, clock, conf
from reco_plugin.exceptions import NotPublished
from reco_plugin.jobs.artefacts import artefact_path
from reco_plugin.jobs.publish import activate
from reco_plugin.models import Run, RunStatus
from reco_plugin.stores.base import Vectors
from reco_plugin.types import IdMap

KIND = "personal"
WHOLE = {"blend": "lists", "encoder": "fingerprint"}
"""Kinds of run of which all that serves is kept, rejected or not, by the name of what Run.dataset says of it then."""
OVERRULED, ACTIVATED, ROLLED_BACK = "overruled", "activated", "rolled back"
BROKEN = "could not be published"
MOST = 50
"""Decisions that are kept of a run."""
NEVER = ("finite", "interactions", "shoppers", "memory")
"""Gates that cannot be overruled: there is nothing to publish, or nothing that a store would take."""


def decide(run: Run, what: str, *, by: str, why: str = "") -> None:
    """Add a decision to Run.metrics["decisions"]. `by` is a name; times are UTC."""
    entry: dict[str, Any] = {
        "at": clock.now().isoformat(timespec="seconds"),
        "what": what,
        "by": by,
        "why": why.strip(),
    }
    if what == OVERRULED:
        entry["gates"] = failed(run)
    with transaction.atomic(using=conf.settings.DATABASE):
        row = Run.objects.using(conf.settings.DATABASE).select_for_update().get(pk=run.pk)
        row.metrics = {**row.metrics, "decisions": [*decisions(row), entry][-MOST:]}
        row.save(update_fields=["metrics"])
    run.metrics = row.metrics


def decisions(run: Run) -> list[Mapping[str, Any]]:
    """Oldest first."""
    return list(run.metrics.get("decisions", []))


def failed(run: Run) -> list[str]:
    """Names of the gates that rejected it."""
    return [gate["name"] for gate in run.gates if gate.get("passed") is False]


def overrule(run: Run, *, by: str, why: str) -> None:
    """Make a rejected run live where it `is_whole`, else let the next execution of `train` do so.

    Raises NotPublished, saying why, for a run that cannot be, and where no reason is given.
    """
    if reason := why_not(run):
        raise NotPublished(reason)
    if not why.strip():
        raise NotPublished(f"Say why run {run.pk} is to go live although a gate rejected it.")
    with transaction.atomic(using=conf.settings.DATABASE):
        decide(run, OVERRULED, by=by, why=why)
        if is_whole(run):
            _put_forth(run)
            activate(run)


def _put_forth(run: Run) -> None:
    """Call a rejected run published. Raises NotPublished where it was let go of meanwhile."""
    rows = Run.objects.using(conf.settings.DATABASE).filter(pk=run.pk, status=RunStatus.REJECTED)
    if not rows.update(status=RunStatus.PUBLISHED):
        raise NotPublished(f"Run {run.pk} is not there any more as it was. Look again.")
    run.status = RunStatus.PUBLISHED


def is_whole(run: Run) -> bool:
    """Can it be made live as it lies there?"""
    return WHOLE.get(run.kind, "") in run.dataset


def why_not(run: Run) -> str:
    """Why the gates of `run` cannot be overruled; '' where they can."""
    if run.status != RunStatus.REJECTED:
        return f"Run {run.pk} is {run.status}: only what a gate rejected can be overruled."
    if run.kind != KIND and run.kind not in WHOLE:
        kinds = ", ".join((KIND, *WHOLE))
        return f"Runs of these kinds can go live against their gates: {kinds}. Run {run.pk} is a {run.kind} run."
    hard = [name for name in failed(run) if name in NEVER]
    if hard or not (is_whole(run) or run.artefact):
        named = ", ".join(hard) or "nothing of it was kept"
        return f"Run {run.pk} learnt nothing that could be published ({named})."
    return ""


def overruled(site: int) -> Run | None:
    """The newest rejected run that somebody wants live all the same, where that was not tried in vain."""
    runs = Run.objects.using(conf.settings.DATABASE).filter(
        site=site, kind=KIND, status=RunStatus.REJECTED
    )
    for run in runs.order_by("-pk"):
        if any(one.get("what") == OVERRULED for one in decisions(run)[-1:]):
            return run
    return None


def vectors(run: Run) -> Vectors:
    """What a rejected run learnt of products. Raises ArtefactCorrupt.

    Of shoppers its file says nothing any more; theirs are folded in from what they do.
    """
    arrays, _ = artefacts.load(artefact_path(run), run.sha256)
    found = arrays["item_vectors"]
    return Vectors(
        items=IdMap(keys=arrays["item_keys"]),
        item_vectors=found,
        item_biases=arrays["item_biases"],
        shoppers=IdMap(keys=np.empty(0, "V16")),
        shopper_vectors=np.empty((0, found.shape[1]), np.float32),
    )


def operator() -> str:
    """Who runs this command, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without users
        return "command line"
