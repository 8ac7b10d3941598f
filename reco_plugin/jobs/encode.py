"""Look at the pictures that the live encoder has not seen, and bring the visual run in line with them.

Split among the workers, an encoder process for each; what is written is never done again, so a job that died
goes on where it was.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin import conf
from reco_plugin.encoders.base import Refused
from reco_plugin.encoders.process import EncoderProcess
from reco_plugin.jobs import artefacts, newcomers, picture_vectors, visual
from reco_plugin.jobs.live_encoder import Live, live_encoder, opened_by
from reco_plugin.jobs.newborn import give_looks
from reco_plugin.jobs.picture_files import read
from reco_plugin.jobs.picture_rows import FORGIVEN, STRIKES, pictures
from reco_plugin.jobs.running.now import reported_now
from reco_plugin.jobs.running.shards import split_and_run
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Picture, PictureState, Run
from reco_plugin.stores.base import Progress

log = logging.getLogger(__name__)

OPTIONS = {"activate": True, "whole": False}
WRITTEN = 512
"""Vectors that are written together."""
HASHES = 16**8
"""Content hashes are split by their first eight digits."""


def encode(
    site: int = 1,
    *,
    activate: bool = True,
    whole: bool = False,
    progress: Progress | None = None,
) -> Mapping[str, Any]:
    """Do the job now; returns its report, which has a `note` where there was nothing to do, and the number
    of the visual `run`. With `whole` a new one is made whatever changed. Raises AlreadyRunning."""
    options = {"activate": activate, "whole": whole}
    return reported_now("encode", site, options, progress)


def work(work: Work) -> dict[str, Any]:
    """The job."""
    live = live_encoder(work.site)
    if isinstance(live, str):
        return {"note": live}
    is_left = "batch" in work.checkpoint  # by one that died: what it looked at is news all the same
    counted = Counter[str]()
    with work.stage("pictures"), closing(ShardEncoding()) as doing:
        for found in split_and_run(work, _payloads(live), doing, stage="pictures"):
            counted.update(found)
    report = {"encoded": counted.pop("encoded", 0), "refused": dict(counted)}
    work.report.update(report)
    report |= visual.refresh(work, live, {**OPTIONS, **work.options})
    if report["encoded"] or is_left:
        with work.stage("newborn"):
            newcomers.join(work.site, give_looks(work.site))
    return report


def _payloads(live: Live) -> list[dict[str, Any]]:
    """Ranges of content hashes, so that a picture many products show is in one share."""
    site, rows = live.run.site, picture_vectors.missing(live.run.site, live.fingerprint)
    count = rows.values("content_hash").distinct().count()
    parts = -(-count // max(1, conf.settings.SHARD_ITEMS // 2))
    edges = [f"{HASHES * part // parts:08x}" for part in range(1, parts)]
    same = {"site": site, "encoder": live.run.pk, "rows": count // max(parts, 1)}
    bounds = zip(["", *edges], [*edges, ""], strict=True) if count else ()
    return [{**same, "from": low, "below": high} for low, high in bounds]


class ShardEncoding:
    """Looks at the pictures of one range of content hashes. An instance keeps its encoder process for the
    next; `close` ends it."""

    def __init__(self) -> None:
        self._process: EncoderProcess | None = None

    def __call__(self, payload: dict[str, Any], progress: Progress) -> dict[str, Any]:
        run = Run.objects.using(conf.settings.DATABASE).get(pk=payload["encoder"])
        live = opened_by(run)
        rows = picture_vectors.missing(payload["site"], live.fingerprint)
        rows = rows.filter(content_hash__gte=payload["from"])
        if payload["below"]:
            rows = rows.filter(content_hash__lt=payload["below"])
        return self.look(live, list(once(rows.order_by("content_hash", "pk"))), progress)

    def look(self, live: Live, rows: Sequence[Picture], progress: Progress) -> dict[str, int]:
        """Write the vectors of these pictures; how many there are, and how many were refused for what."""
        if not rows:
            return {}
        counted, kept = Counter[str](), _Kept(live.fingerprint)
        process = self._opened(live)
        for answer in process.encode(_read(live.run.site, rows)):
            if isinstance(answer, tuple):
                numbers, vectors = answer
                kept.add(
                    {rows[at].content_hash: one for at, one in zip(numbers, vectors, strict=True)}
                )
                counted["encoded"] += len(numbers)
            else:
                for at, refused in answer:
                    counted[str(refused.fault)] += 1
                    strike(rows[at], refused)
            progress("pictures", counted.total(), len(rows))
        kept.write()
        return dict(counted)

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _opened(self, live: Live) -> EncoderProcess:
        if self._process is None or self._process.is_closed or self._process.spec != live.spec:
            self.close()
            self._process = EncoderProcess(live.spec, artefacts.folder())
        return self._process


class _Kept:
    """Vectors until there are enough to be written together."""

    def __init__(self, encoder: str) -> None:
        self._encoder = encoder
        self._rows: dict[str, npt.NDArray[np.float16]] = {}

    def add(self, rows: Mapping[str, npt.NDArray[np.float16]]) -> None:
        self._rows |= rows
        if len(self._rows) >= WRITTEN:
            self.write()

    def write(self) -> None:
        if self._rows:
            picture_vectors.write(self._encoder, self._rows)
        self._rows = {}


def once(rows: Any) -> Iterator[Picture]:
    """The first of the pictures with the same content; they come one after another."""
    last = ""
    for row in rows:
        if row.content_hash != last:
            yield row
        last = row.content_hash


def _read(site: int, rows: Sequence[Picture]) -> Iterator[tuple[int, bytes | Refused]]:
    at = {row.pk: number for number, row in enumerate(rows)}
    return ((at[row.pk], data) for row, data in read(site, rows))


def strike(row: Picture, refused: Refused) -> None:
    """Count a refusal against all that show the same file; the third puts them in quarantine.

    It was opened when the catalogue was read, so it stays readable until then: else each would undo
    what the other has found.
    """
    log.info("picture %s of product %s: %s", row.name, row.product_id, refused.words)
    if refused.fault in FORGIVEN:
        return
    strikes = row.strikes + 1
    state = PictureState.QUARANTINED if strikes >= STRIKES else row.state
    same = pictures().filter(site=row.site, content_hash=row.content_hash)
    same.update(strikes=strikes, state=state, reason=refused.fault, words=refused.words)
