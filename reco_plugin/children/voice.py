"""What a child tells its parent: JSON lines on its real stdout."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import IO, Any


class Unheard(Exception):
    """Nobody reads what is said any more: the parent has died."""


class Voice:
    """The process's real stdout, one JSON object a line; safe to use from any thread."""

    PAUSE = 0.1
    """Seconds between two reports of progress in the same stage; the last of a stage is never left out."""

    def __init__(self) -> None:
        self._told = ("", 0.0)
        self._file: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._lock = threading.Lock()
        os.dup2(2, 1)  # what libraries print must not end up between our lines

    def say(self, **message: Any) -> None:
        """Raises Unheard when nobody listens."""
        try:
            with self._lock:
                self._file.write(json.dumps(message) + "\n")
                self._file.flush()
        except BrokenPipeError as error:
            raise Unheard from error

    def progress(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        before, then = self._told
        if done >= total or stage != before or now - then >= self.PAUSE:
            self._told = (stage, now)
            self.say(stage=stage, done=done, total=total)
