"""The visual run: a vector for each product, made of what the live encoder says of its pictures.

A few changes are put into the live run; many, or another encoder, make a new one. Which pictures a vector
was made of, and what was done to the encoder's vectors, stand in blocks beside the run, so that any machine
can go on with it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np

from reco_plugin import backends, clock, conf
from reco_plugin.encoders.aggregate import aggregate
from reco_plugin.encoders.whitening import Choice, choose
from reco_plugin.jobs import newcomers, picture_vectors
from reco_plugin.jobs.labelling import labels
from reco_plugin.jobs.live_encoder import Live
from reco_plugin.jobs.making import make
from reco_plugin.jobs.publish import active_run, handle, publish, save
from reco_plugin.jobs.record import begin, give_up, stage
from reco_plugin.jobs.running.execute import request
from reco_plugin.jobs.running.work import Work
from reco_plugin.jobs.visual_blocks import (
    Signs,
    keep,
    keep_signs,
    read_signs,
    read_whitening,
    signs,
)
from reco_plugin.models import Run, RunStatus
from reco_plugin.stores.base import Vectors
from reco_plugin.types import Floats, Key, id_map

KIND = "visual"
CHUNK = 1_000
"""Products at a time."""
SAMPLE = 20_000
"""Products that whitening is learnt from and measured on."""
SHARE = 0.05
"""Of the products may change before a new run is made of all."""
SMALL = 5_000
"""A run of fewer products is made anew at any change: that takes a second."""
WHOLE = dt.timedelta(days=1)
"""A run that something was changed in is made anew when it is so old."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, eq=False)
class Changes:
    """Products by what happened to their pictures since the run."""

    known: int
    upsert: list[Key]
    gone: list[Key]

    @property
    def count(self) -> int:
        return len(self.upsert) + len(self.gone)


def refresh(work: Work, live: Live, options: dict[str, Any]) -> dict[str, Any]:
    """Bring the visual run in line with the vectors there are; JSON-able words on what was done."""
    left = _left(work, live, options)
    run = active_run(work.site, KIND)
    with work.stage("compare"):
        now = signs(work.site, live.fingerprint)
        changes = _changes(run, now) if run else Changes(known=0, upsert=list(now), gone=[])
    if left is None and not now:
        return {"products": 0, "note": "No picture of a known product could be looked at yet."}
    if left is None and run is not None and not _is_due(run, changes, live, options):
        give_up(work.site, KIND)
        with work.stage("upsert"):
            update(run, changes.upsert, now)
        return {"run": run.pk, "products": changes.known, "updated": len(changes.upsert)}
    made = left or begin(work.site, KIND, live.run.trainer, _config(live))
    report = make(made, work, options, lambda run, work: _publish(run, work, live, now))
    if options["activate"] and report["status"] == RunStatus.PUBLISHED:
        request("score", work.site)  # lists of what looks alike, worked out ahead
    return {**report, "products": int(made.dataset.get("items", 0))}


def _left(work: Work, live: Live, options: dict[str, Any]) -> Run | None:
    """One that a process published and did not live to activate."""
    if work.checkpoint.get("options") != options:
        return None
    rows = Run.objects.using(conf.settings.DATABASE).filter(site=work.site, kind=KIND)
    run = rows.filter(pk=work.checkpoint.get("run", 0), status=RunStatus.PUBLISHED).first()
    return run if run is not None and _is_of(run, live) else None


def _is_of(run: Run, live: Live) -> bool:
    return all(run.config.get(name) == value for name, value in _config(live).items())


def _config(live: Live) -> dict[str, Any]:
    return {
        "encoder": live.run.pk,
        "fingerprint": live.fingerprint,
        "dimension": conf.settings.IMAGE_DIMENSION,
    }


def _is_due(run: Run, changes: Changes, live: Live, options: dict[str, Any]) -> bool:
    """Is a new run to be made, rather than the live one changed?"""
    if options["whole"] or not _is_of(run, live):
        return True
    if not changes.count:
        return bool(run.config.get("changed")) and clock.now() - run.created_at > WHOLE
    if changes.known <= SMALL or changes.count > SHARE * changes.known:
        return True
    return clock.now() - run.created_at > WHOLE


def _changes(run: Run, now: Signs) -> Changes:
    before = read_signs(run)
    return Changes(
        known=len(before),
        upsert=[key for key, sign in now.items() if before.get(key) != sign],
        gone=[key for key in before if key not in now],
    )


# --- a new run ------------------------------------------------------------------------------------


def _publish(run: Run, work: Work, live: Live, now: Signs) -> None:
    with stage(run, work, "whiten"):
        choice = _choice(run, live, len(now))
    with stage(run, work, "aggregate"):
        keys, rows = _all(run, live, choice)
    run.dataset = {"items": len(keys), "notes": [choice.words]}
    run.metrics = {"whitening": dict(choice.figures)}
    save(run, work.fence)
    made_of = {key: now[key] for key in keys if key in now}
    with stage(run, work, "publish"):
        publish(
            run,
            _vectors(keys, rows),
            work.progress,
            fence=work.fence,
            beside=lambda: keep(run, choice.whitening, made_of),
        )


def _choice(run: Run, live: Live, products: int) -> Choice:
    """What is to be done to the vectors, judging by some products drawn by lot."""
    random = np.random.default_rng(run.pk)
    share = SAMPLE / max(products, 1)
    keys: list[Key] = []
    found: list[Floats] = []
    for some, rows in aggregated(run.site, live.fingerprint):
        drawn = random.random(len(some)) < share
        keys += [key for key, is_drawn in zip(some, drawn, strict=True) if is_drawn]
        found.append(rows[drawn].astype(np.float16))
    vectors = np.concatenate(found).astype(np.float32)
    return choose(vectors, labels(run.site, keys).codes, run.config["dimension"], seed=run.pk)


def _all(run: Run, live: Live, choice: Choice) -> tuple[list[Key], Floats]:
    keys: list[Key] = []
    rows: list[Floats] = []
    for some, vectors in aggregated(run.site, live.fingerprint):
        keys += some
        rows.append(choice(vectors))
    return keys, np.concatenate(rows)


def _vectors(keys: Sequence[Key], rows: Floats) -> Vectors:
    return Vectors(
        items=id_map(keys),
        item_vectors=rows,
        item_biases=np.zeros(len(keys), np.float32),
        shoppers=id_map([]),
        shopper_vectors=np.zeros((0, rows.shape[1]), np.float32),
    )


def aggregated(
    site: int, encoder: str, products: Sequence[Any] | None = None
) -> Iterator[tuple[list[Key], Floats]]:
    """Keys and unit rows of some products at a time."""
    rows = picture_vectors.read(site, encoder, products)
    for batch in _batches(groupby(rows, key=itemgetter(0))):
        owners = [at for at, (_, pictures) in enumerate(batch) for _ in pictures]
        seen = [picture for _, pictures in batch for picture in pictures]
        _, found = aggregate(
            np.stack([vector for *_, vector in seen]),
            np.asarray(owners, np.int32),
            np.asarray([position for _, position, *_ in seen], np.int32),
        )
        yield [key for key, _ in batch], found


def _batches(groups: Iterable[tuple[Key, Iterator[T]]]) -> Iterator[list[tuple[Key, list[T]]]]:
    made = ((key, list(members)) for key, members in groups)
    while batch := list(islice(made, CHUNK)):
        yield batch


# --- a few changes --------------------------------------------------------------------------------


def update(run: Run, keys: Sequence[Any], now: Signs | None = None) -> list[Key]:
    """Give `keys` vectors and lists in the published `run` that its encoder knows pictures of; returns which.

    Raises StoreError. Doing it again is harmless.
    """
    given: list[Key] = []
    made_of: Signs = {}
    encoder, whiten = str(run.config["fingerprint"]), read_whitening(run)
    for at in range(0, len(keys), CHUNK):
        for some, vectors in aggregated(run.site, encoder, keys[at : at + CHUNK]):
            found = vectors if whiten is None else whiten(vectors)
            biases = np.zeros(len(some), np.float32)
            backends.store(run.store).upsert(handle(run), id_map(some), found, biases)
            told = now or signs(run.site, encoder, some)
            made_of |= {key: told[key] for key in some if key in told}
            given += some
    newcomers.join(run.site, given, KIND)
    keep_signs(run, made_of)  # last: a process that dies before has it all done again
    return given
