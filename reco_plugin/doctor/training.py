"""Can this machine train: is LightFM there, does a child process start, does it fit an epoch?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
from scipy import sparse

from reco_plugin import conf
from reco_plugin.doctor import room
from reco_plugin.doctor.finding import Finding, error, note, ok, warning
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import tuned
from reco_plugin.jobs.publish import active_run
from reco_plugin.models import Run
from reco_plugin.trainers import process
from reco_plugin.types import Dataset, id_map

SECONDS = 60.0
INSTALL = "python -m pip install 'django-reco-plugin[lightfm]'"


def installed(site: int) -> Iterator[Finding]:
    if conf.settings.TRAINER != "lightfm":
        yield note("training.installed", f"Trainer {conf.settings.TRAINER} is the shop's own.")
    elif find_spec("lightfm") is None:
        yield warning(
            "training.installed",
            "LightFM is not installed: popular products are shown, nothing personal is learnt.",
            INSTALL,
        )
    else:
        yield ok("training.installed", "LightFM is installed.")


def child_process(site: int) -> Iterator[Finding]:
    """One epoch over four shoppers and three products, where a training would run."""
    if conf.settings.TRAINER == "lightfm" and find_spec("lightfm") is None:
        return
    start = time.monotonic()
    try:
        process.run(conf.settings.TRAINER, _shortest(), _tiny(), timeout=SECONDS)
    except (RecoError, ValueError, ImportError, OSError) as problem:
        yield error(
            "training.child_process",
            "A training process does not get through one epoch: " + str(problem).partition("\n")[0],
            "No personal run can be trained on this machine until that is mended.",
        )
    else:
        took = time.monotonic() - start
        yield ok("training.child_process", f"A training process fits an epoch in {took:.1f} s.")


def _shortest() -> dict[str, object]:
    return {"epochs": 1, "dimensions": 2} if conf.settings.TRAINER == "lightfm" else {}


def _tiny() -> Dataset:
    interactions = np.asarray([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=np.float32)
    return Dataset(
        interactions=sparse.csr_matrix(interactions),
        shoppers=id_map(range(4)),
        items=id_map(range(3)),
    )


def memory(site: int) -> Iterator[Finding]:
    """What the newest training takes, by its own reckoning, beside what this machine has free."""
    free = room.free_mib()
    need = _needed_mib(site)
    if need is None or free is None:
        told = "is not known" if free is None else f"{free:,} MiB"
        yield ok(
            "training.memory", f"Free memory: {told}. The first training reckons what it takes."
        )
        return
    words = f"A training takes about {need:,.0f} MiB of memory; {free:,} MiB are free here."
    if need > free:
        yield warning(
            "training.memory",
            words,
            "Learn from a shorter window (RECO_WINDOW_DAYS), lower dimensions, or add memory.",
        )
    else:
        yield ok("training.memory", words)


def tuning(site: int) -> Iterator[Finding]:
    """Are the settings that are learnt by the shop's own, or found by a tuning?"""
    run = active_run(site, tuned.TUNING)
    if run is None:
        return
    words = f"What reco_tune found (run {run.pk}) lies over the shop's settings"
    own = set(tuned.of(run.metrics["best"]["params"]).trainer) & set(conf.settings.TRAINER_CONFIG)
    if run.trainer != conf.settings.TRAINER:
        yield warning(
            "training.tuned",
            f"What reco_tune found (run {run.pk}) is for trainer {run.trainer}, which is not in force: "
            "nothing of it is learnt by.",
            "python manage.py reco_tune --withdraw",
            docs="howto/tune",
        )
    elif own:
        yield note(
            "training.tuned",
            f"{words}, over RECO_TRAINER_CONFIG too: {', '.join(sorted(own))}.",
            "To learn by those of the settings: python manage.py reco_tune --withdraw",
        )
    else:
        yield ok("training.tuned", f"{words}.")


def _needed_mib(site: int) -> float | None:
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=site, kind="personal")
    newest = runs.order_by("-created_at").values_list("gates", flat=True).first()
    values = [gate.get("value") for gate in newest or () if gate.get("name") == "memory"]
    return values[0] if values else None
