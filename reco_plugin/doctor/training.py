"""Can this machine train: is LightFM there, does a child process start, does it fit an epoch?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
from scipy import sparse

from reco_plugin import conf
from reco_plugin.doctor.finding import Finding, error, note, ok, warning
from reco_plugin.exceptions import RecoError
from reco_plugin.models import Interaction, Item
from reco_plugin.trainers import memory as memory_of
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
            f"A training process does not get through one epoch: {problem}",
            str(problem).partition("\n")[0],
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
    """What a training on all of the log would take, and what this machine has free."""
    using = conf.settings.DATABASE
    items = Item.objects.using(using).filter(site=site).count()
    newest = Interaction.objects.using(using).order_by("-pk").values_list("pk", flat=True).first()
    need = memory_of.estimated_mib(
        shoppers=(newest or 0) // 3,
        items=items,
        pairs=newest or 0,
        features=items * 12,
        dimensions=int(conf.settings.TRAINER_CONFIG.get("dimensions", memory_of.DIMENSIONS)),
    )
    free = memory_of.free_mib()
    words = f"A training takes about {need:,} MiB of memory"
    if free is not None and need > free:
        yield warning(
            "training.memory",
            f"{words}; {free:,} MiB are free here.",
            "Learn from a shorter window (RECO_WINDOW_DAYS), lower dimensions, or add memory.",
        )
    else:
        yield ok("training.memory", words + (f"; {free:,} MiB are free." if free else "."))
