"""What a shopper's photo is looked at and compared with: the encoder behind the live visual run.

Not the live encoder: while pictures are encoded anew, that one is ahead of the run that answers. A new visual
run brings its encoder along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.core.signals import setting_changed

from reco_plugin import conf
from reco_plugin.encoders.base import Limits
from reco_plugin.encoders.service import ONNX, EncoderService, Job
from reco_plugin.encoders.whitening import Whitening
from reco_plugin.exceptions import EncoderUnavailable
from reco_plugin.models import Run, VectorBlock
from reco_plugin.pipeline import LiveRun
from reco_plugin.types import Floats

WHITENING = "whitening"
"""The space of the block beside a visual run that says what is done to vectors."""
ENCODER = ONNX
QUEUE = 3
"""Photos that wait for their turn in this process."""
REMEMBERED = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Eye:
    """How photos are seen that are compared with one visual run."""

    path: Path
    sha256: str
    whitening: Whitening | None

    def job(self) -> Job:
        return Job(path=self.path, sha256=self.sha256, limits=limits(), encoder=ENCODER)

    def in_the_space_of_the_run(self, vector: Floats) -> Floats:
        """(d,) of the encoder → (k,) as the products of the run have it."""
        return vector if self.whitening is None else self.whitening(vector[None])[0]


_eyes: dict[tuple[str, int], Eye] = {}
_services: dict[tuple[str, int], EncoderService] = {}


def limits() -> Limits:
    """What a photo may be, by the settings."""
    return Limits(
        formats=tuple(conf.settings.IMAGE_FORMATS),
        max_bytes=conf.settings.PHOTO_MAX_BYTES,
        max_pixels=conf.settings.IMAGE_MAX_PIXELS,
        seconds=conf.settings.PHOTO_TIMEOUT_MS / 1_000,
    )


def eye(using: str, visual: LiveRun) -> Eye:
    """That of a visual run; read once, in two statements.

    Raises EncoderUnavailable, in words for whoever runs the shop, and what a database raises.
    """
    known = _eyes.get((using, visual.run))
    if known is None:
        if len(_eyes) >= REMEMBERED:
            _eyes.clear()
        known = _eyes[using, visual.run] = _read(using, visual)
    return known


def service(using: str, site: int, job: Job) -> EncoderService:
    """This process's own for a site. One for another job goes as soon as nobody asks it any more."""
    found = _services.get((using, site))
    if found is None:
        return _services.setdefault((using, site), EncoderService(job, queue=QUEUE))
    if found.job == job:
        return found
    made = _services[using, site] = EncoderService(job, queue=QUEUE)
    found.close()
    return made


def forget_runs() -> None:
    """Read anew what photos are looked at with; a process that still fits goes on."""
    _eyes.clear()


def forget(**_: Any) -> None:
    """End the processes too."""
    forget_runs()
    while _services:
        _services.popitem()[1].close()


def _read(using: str, visual: LiveRun) -> Eye:
    run = Run.objects.using(using).filter(pk=visual.config.get("encoder", 0)).first()
    if run is None:
        raise EncoderUnavailable(f"The encoder of the visual run {visual.run} is gone.")
    file = _file(run, str(visual.config.get("fingerprint", "")))
    folder = (Path(conf.settings.ARTEFACT_DIR) / run.artefact).parent
    blocks = VectorBlock.objects.using(using).filter(run=visual.run, space=WHITENING)
    block = blocks.order_by("pk").first()
    return Eye(
        path=folder / Path(file["name"]).name,
        sha256=str(file["sha256"]),
        whitening=_whitening(bytes(block.vectors), block.keys) if block else None,
    )


def _file(run: Run, fingerprint: str) -> Mapping[str, Any]:
    """The ONNX file that sees as the pictures of the products were seen."""
    files: Mapping[str, Mapping[str, Any]] = run.config.get("onnx", {}).get("files", {})
    for file in files.values():
        if file["fingerprint"] == fingerprint:
            return file
    raise EncoderUnavailable(
        f"There is no ONNX file of encoder run {run.pk}. Install the extra `images` (onnx, onnxruntime) where "
        "the job fine_tune runs, and let it run."
    )


def _whitening(data: bytes, shape: list[int]) -> Whitening:
    numbers = np.frombuffer(data, "<f4").reshape(shape)
    return Whitening(mean=numbers[0], matrix=numbers[1:].T)


def _forget_setting(*, setting: str, **_: object) -> None:
    if setting in ("RECO_ARTEFACT_DIR", "RECO_DATABASE", "DATABASES"):
        forget_runs()


setting_changed.connect(_forget_setting, dispatch_uid="reco_plugin.serving.photo_encoder")
