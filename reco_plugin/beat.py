"""What Celery beat has to send, as plain data: include it in your settings with one line.

    from reco_plugin.beat import BEAT_SCHEDULE

    CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}

There is one entry. The tick reads in our tables what is due and hands that to the workers, so two
beats, a beat that was down, and a clock that jumps for summer time all do no harm.

A project with several sites adds an entry for each: `{**BEAT_SCHEDULE["reco.tick"], "args": (2,)}`.
"""

from __future__ import annotations

from typing import Any

TICK_SECONDS = 60.0
EXPIRES = 300.0
"""Seconds after which a message nobody took is worth nothing: the next ticks have asked again."""

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "reco.tick": {
        "task": "reco.tick",
        "schedule": TICK_SECONDS,
        "options": {"expires": EXPIRES},
    },
}
