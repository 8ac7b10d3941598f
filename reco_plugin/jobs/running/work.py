"""What a job is handed: its lease, its stages, its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.running.held import Held
from reco_plugin.jobs.running.stages import Stages
from reco_plugin.signals import job_stage_entered, job_stage_left
from reco_plugin.stores.base import Progress


class JobFailed(RecoError):
    """A job that failed and has told its own log why."""


class Work:
    """One execution of a job, from inside. Everything here raises LeaseLost and JobTimedOut when due.

    `checkpoint` is what an execution that died had kept; a job reads it and goes on from there.
    """

    def __init__(
        self,
        held: Held,
        *,
        options: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.held = held
        self.site, self.name = held.site, held.name
        self.options: Mapping[str, Any] = dict(options or {})
        self.checkpoint: dict[str, Any] = dict(held.checkpoint)
        self.report: dict[str, Any] = {}
        """JSON-able; what the job returns is added to it, what is here stands also when it fails."""
        self.stages = Stages()
        self._listener = progress

    @property
    def timings(self) -> dict[str, float]:
        """Seconds per stage."""
        return self.stages.seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A named part of the job, seen from outside. Every stage may be done twice without harm."""
        self.check()
        self.held.write(stage=name, done=0, total=0)
        told: dict[str, Any] = {"name": self.name, "site": self.site, "stage": name}
        job_stage_entered.send_robust(sender=Work, **told)
        with self.stages.stage(name):
            yield
        job_stage_left.send_robust(sender=Work, **told)
        self.check()

    def progress(self, stage: str, done: int, total: int) -> None:
        """How far it is; written with the next beat."""
        self.held.tell(done=done, total=total)
        if self._listener is not None:
            self._listener(stage, done, total)
        self.check()

    def keep(self, **values: Any) -> None:
        """Remember JSON-able `values` for whoever takes over."""
        self.checkpoint.update(values)
        self.held.write(checkpoint=self.checkpoint)

    def forget(self) -> None:
        """Empty the checkpoint: what is there cannot be gone on with."""
        self.checkpoint.clear()
        self.held.write(checkpoint={})

    def check(self) -> None:
        """Go on? Raises LeaseLost and JobTimedOut."""
        self.held.check()

    def fence(self) -> None:
        """Begin a transaction that only the holder may commit. Raises LeaseLost."""
        self.held.fence()
