"""What the demo says: plain lines and progress bars for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

from tqdm import tqdm

T = TypeVar("T")


class Report:
    """Collects what happened; speaks as it goes unless `quiet`, as one JSON line at the end."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.facts: dict[str, Any] = {"seconds": {}}
        self._begun = time.monotonic()
        self._code: int | None = None

    def end(self, signum: int, frame: FrameType | None) -> NoReturn:
        """A signal's handler: a polite end, so that the embedded database is stopped too."""
        self._code = 128 + signum
        raise SystemExit(self._code)

    def say(self, line: str = "") -> None:
        if not self.quiet:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    def note(self, **facts: Any) -> None:
        """Facts for the JSON line."""
        self.facts.update(facts)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step and say how long it took."""
        begun = time.monotonic()
        yield
        if self._code is not None:  # what the handler raised is lost where it met a finalizer
            raise SystemExit(self._code)
        took = time.monotonic() - begun
        self.facts["seconds"][name] = round(took, 2)
        self.say(f"  {name:<46}{took:7.1f} s")

    def bar(self, work: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        """`work` with a progress bar on a terminal, as it is elsewhere."""
        disable = self.quiet or not sys.stderr.isatty()
        return tqdm(work, desc=f"  {label}", total=total, leave=False, disable=disable)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
        for row in (header, ["-" * width for width in widths], *rows):
            first, *others = (
                text.ljust(width) if column == 0 else text.rjust(width)
                for column, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            self.say("  " + "  ".join([first, *others]))

    def finish(self) -> None:
        self.facts["seconds"]["total"] = round(time.monotonic() - self._begun, 2)
        if self.quiet:
            sys.stdout.write(json.dumps(self.facts, default=str) + "\n")
            sys.stdout.flush()
