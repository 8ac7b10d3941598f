"""The encoder that is live, as a process can open it; or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from reco_plugin import conf
from reco_plugin.encoders.process import Spec
from reco_plugin.jobs.artefacts import artefact_path
from reco_plugin.jobs.picture_files import limits, workers
from reco_plugin.jobs.publish import active_run
from reco_plugin.models import Run

KIND = "encoder"
OFF = "RECO_ENCODER is empty: pictures are not looked at."
NONE = "No encoder is live: the job fine_tune makes one, once there are pictures to learn from."


@dataclass(frozen=True, kw_only=True)
class Live:
    """An encoder run that can be opened here."""

    run: Run
    spec: Spec

    @property
    def fingerprint(self) -> str:
        """What its vectors are kept under."""
        return str(self.run.dataset["fingerprint"])


def live_encoder(site: int) -> Live | str:
    """That of a site, or in plain words why pictures cannot be looked at."""
    if not conf.settings.ENCODER:
        return OFF
    run = active_run(site, KIND)
    if run is None:
        return NONE
    if not artefact_path(run).is_file():
        return f"The live encoder's {run.artefact} is not on this machine (RECO_ARTEFACT_DIR)."
    return opened_by(run)


def opened_by(run: Run) -> Live:
    """A run of kind 'encoder', with what a process of this machine needs to open it."""
    threads = max(1, conf.settings.TRAIN_THREADS)
    spec = Spec(
        encoder=run.trainer,
        weights=artefact_path(run),
        sha256=run.sha256,
        device=conf.settings.ENCODER_DEVICE,
        threads=threads,
        decoders=workers(),
        limits=limits(),
    )
    return Live(run=run, spec=spec)
