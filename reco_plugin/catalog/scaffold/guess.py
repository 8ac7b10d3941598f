"""What was found in somebody else's models, and how sure that is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Sure: TypeAlias = Literal["sure", "likely", "unsure"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """One subject of the catalogue or of the order mapping."""

    subject: str
    """'product.title', 'order.status' …"""
    found: str
    """A path or a few words; '' for nothing."""
    sure: Sure = "sure"
    why: str = ""
    alternatives: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)
