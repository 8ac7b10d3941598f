"""Signals → spans; the only module that imports opentelemetry.

A slate is told of when it is done, so its span is made then, with the times it had: it ends now and
began `seconds` ago, and its rungs followed one upon another until the end. A job's spans are open
while it runs, so that what other instruments see (SQL, HTTP) stands below them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import Token
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer

from reco_plugin import __version__, signals
from reco_plugin.contrib.listening import Receivers
from reco_plugin.types import Rung, Slate

NANOSECONDS = 1_000_000_000


def _tracer() -> Tracer:
    return trace.get_tracer("reco_plugin", __version__)


# --- slates --------------------------------------------------------------------------------------


def on_slate_served(slate: Slate, seconds: float, rungs: Mapping[str, float], **_: Any) -> None:
    """One span for the slate, one below it for each rung that was tried."""
    ended = time.time_ns()
    tracer = _tracer()
    span = tracer.start_span(
        "reco.slate",
        start_time=ended - int(seconds * NANOSECONDS),
        attributes=_about(slate),
    )
    if span.is_recording():
        _rungs(tracer, trace.set_span_in_context(span), rungs, ended)
    if slate.rung is Rung.NOTHING:
        span.add_event("reco.nothing", {"reco.notes": list(slate.notes)}, timestamp=ended)
    span.end(ended)


def _rungs(tracer: Tracer, parent: Context, rungs: Mapping[str, float], ended: int) -> None:
    began = ended - int(sum(rungs.values()) * NANOSECONDS)
    for rung, spent in rungs.items():
        until = began + int(spent * NANOSECONDS)
        tracer.start_span(f"reco.rung {rung}", parent, start_time=began).end(until)
        began = until


def _about(slate: Slate) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "reco.placement": slate.placement,
        "reco.kind": slate.kind,
        "reco.rung": str(slate.rung),
        "reco.items": len(slate),
        "reco.site": slate.site,
    }
    return found if slate.run is None else {**found, "reco.run": slate.run}


# --- jobs ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    """The spans of a job that runs in this process: the job's own, then its stages', outermost first."""

    spans: list[Span] = field(default_factory=list)
    tokens: list[Token[Context]] = field(default_factory=list)

    def enter(self, name: str, attributes: Mapping[str, str | int]) -> None:
        span = _tracer().start_span(name, attributes=attributes)
        self.spans.append(span)
        self.tokens.append(context.attach(trace.set_span_in_context(span)))

    def leave(self, status: Status | None = None) -> None:
        context.detach(self.tokens.pop())
        span = self.spans.pop()
        if status is not None:
            span.set_status(status)
        span.end()


_jobs: dict[tuple[int, str], _Open] = {}


def on_stage_entered(name: str, site: int, stage: str, **_: Any) -> None:
    about: dict[str, str | int] = {"reco.job": name, "reco.site": site}
    running = _jobs.get((site, name))
    if running is None:
        running = _jobs[site, name] = _Open()
        running.enter(f"reco.job {name}", about)
    running.enter(f"reco.stage {stage}", {**about, "reco.stage": stage})


def on_stage_left(name: str, site: int, **_: Any) -> None:
    running = _jobs.get((site, name))
    if running is not None and len(running.spans) > 1:
        running.leave()


def on_job_finished(name: str, site: int, outcome: Any, seconds: float, **_: Any) -> None:
    """End what is open; a stage that is still open is the one it broke in."""
    failed = None if str(outcome) == "done" else Status(StatusCode.ERROR, str(outcome))
    running = _jobs.pop((site, name), None) or _begun(name, site, seconds)
    running.spans[0].set_attribute("reco.outcome", str(outcome))
    while running.spans:
        running.leave(failed)


def _begun(name: str, site: int, seconds: float) -> _Open:
    """A job without stages is told of when it is done."""
    span = _tracer().start_span(
        f"reco.job {name}",
        start_time=time.time_ns() - int(seconds * NANOSECONDS),
        attributes={"reco.job": name, "reco.site": site},
    )
    return _Open([span], [context.attach(trace.set_span_in_context(span))])


RECEIVERS: Receivers = (
    (signals.slate_served, on_slate_served),
    (signals.job_stage_entered, on_stage_entered),
    (signals.job_stage_left, on_stage_left),
    (signals.job_finished, on_job_finished),
)
