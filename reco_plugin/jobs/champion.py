"""The trial of a run, kept beside its artefact: what the trial of the next run is held against.

The live run itself has learnt from days that the next one is tested on; to judge it there would flatter it.
Its trial has not: it was fitted on what came before its own test period, which began no later than the
next one's does. So both trials are asked about a time that neither had seen. No shoppers are kept, so a
trial answers by folding in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from reco_plugin import artefacts, conf
from reco_plugin.datasets import EventLog
from reco_plugin.exceptions import ArtefactCorrupt
from reco_plugin.jobs.artefacts import folder, trial_path
from reco_plugin.jobs.evaluate import Evaluation, way
from reco_plugin.jobs.histories import Histories
from reco_plugin.jobs.trial import K, Sample, Trial
from reco_plugin.models import Run
from reco_plugin.trainers.base import Learnt
from reco_plugin.trainers.topn import top_n
from reco_plugin.types import Floats, IdMap, Ints

FAR = np.float32(-1e30)
"""Bias of a product that the trial does not know."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Champion:
    """A run's trial as it was kept."""

    run: int
    items: IdMap
    item_vectors: Floats
    """(n_items, d)"""
    item_biases: Floats
    """(n_items,)"""
    norm: float
    recency: float
    served: str
    """How the run itself serves: 'fold_in', 'trained' or 'both'."""
    until: int
    """µs since 1970 UTC: it knows nothing of what happened from then on."""

    def lists(self, sample: Sample, past: EventLog, fallback: Ints) -> Ints:
        """int32 (n, K) rows of the items of `past`, as `Trial.lists` answers them, by folding in."""
        known, learnt = self._placed(past.items)
        nobody = np.zeros(len(past.shoppers), bool)
        trial = Trial(learnt=learnt, trained=nobody, norm=self.norm)
        told = Histories(past.select(known[past.item]), conf.settings.HISTORY)
        queries, rows = trial.queries(replace(sample, histories=told), way("fold_in", self.recency))
        found = top_n(
            queries, learnt.item_vectors, learnt.item_biases, K, exclude=sample.seen[rows]
        )[0]
        lists = fallback.copy()
        lists[rows] = np.where(known[found], found, -1)
        return lists

    def _placed(self, items: IdMap) -> tuple[npt.NDArray[np.bool_], Learnt]:
        """Which of other `items` it knows, and its vectors in their rows."""
        rows = [self.items.row(key) for key in items.to_python()]
        at = np.asarray([-1 if row is None else row for row in rows], np.int64)
        known, size = at >= 0, self.item_vectors.shape[1]
        vectors = np.zeros((len(items), size), np.float32)
        biases = np.full(len(items), FAR)
        vectors[known], biases[known] = self.item_vectors[at[known]], self.item_biases[at[known]]
        nothing = np.zeros((0, size), np.float32)
        return known, Learnt(
            item_vectors=vectors,
            item_biases=biases,
            shopper_vectors=nothing,
            feature_vectors=nothing,
            feature_biases=np.zeros(0, np.float32),
            epochs=0,
        )


def keep(run: Run, evaluation: Evaluation, items: IdMap) -> None:
    """Write the trial of `run`; its name and checksum are set in the row's metrics, which are not saved."""
    learnt = evaluation.trial.learnt
    name = f"{run.kind}-{run.pk}.trial.npz"
    digest = artefacts.save(
        folder() / name,
        {
            "item_keys": items.keys,
            "item_vectors": learnt.item_vectors,
            "item_biases": learnt.item_biases,
        },
        {
            "norm": evaluation.trial.norm,
            "recency": evaluation.recency,
            "served": evaluation.served,
            "until": evaluation.at,
        },
    )
    run.metrics = {**run.metrics, "trial": {"file": name, "sha256": digest}}


def read(run: Run) -> Champion | str:
    """The trial of `run`, or why there is none, in words."""
    path = trial_path(run)
    if path is None:
        return f"run {run.pk}, which is live, kept no trial to compare with"
    try:
        arrays, told = artefacts.load(path, run.metrics["trial"]["sha256"])
    except ArtefactCorrupt as error:
        return f"the trial of run {run.pk}, which is live, cannot be read here: {error}"
    return Champion(
        run=run.pk,
        items=IdMap(keys=arrays["item_keys"]),
        item_vectors=arrays["item_vectors"],
        item_biases=arrays["item_biases"],
        norm=told["norm"],
        recency=told["recency"],
        served=told["served"],
        until=told["until"],
    )
