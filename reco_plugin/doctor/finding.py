"""What a probe says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Level: TypeAlias = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One answer of a probe."""

    name: str
    """'database.version': the part before the dot is the group it is shown in."""
    level: Level
    words: str
    hint: str = ""
    """What to do about it; '' when there is nothing to do."""
    docs: str = ""
    """The page of the documentation that tells more, e.g. 'howto/ask-the-doctor'."""

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


Probe: TypeAlias = Callable[[int], Iterator[Finding]]
"""Takes the number of the site."""


def ok(name: str, words: str) -> Finding:
    return Finding(name=name, level="ok", words=words)


def note(name: str, words: str, hint: str = "") -> Finding:
    return Finding(name=name, level="note", words=words, hint=hint)


def warning(name: str, words: str, hint: str = "", docs: str = "howto/ask-the-doctor") -> Finding:
    return Finding(name=name, level="warning", words=words, hint=hint, docs=docs)


def error(name: str, words: str, hint: str = "", docs: str = "howto/ask-the-doctor") -> Finding:
    return Finding(name=name, level="error", words=words, hint=hint, docs=docs)
