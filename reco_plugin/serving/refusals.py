"""Why a search by photo has no answer: a word in `Slate.notes`, a sentence for shoppers, a status of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext_lazy as _

from reco_plugin.types import Slate

PREFIX = "photo: "
OFF, BUSY, ABSENT, YOURS = "off", "busy", "absent", "one_at_a_time"
"""Not switched on; too much to do; no encoder or nothing to compare with; this visitor's last one is looked
at still."""
NO_FILE = "no_file"

_KNOWN: Mapping[str, tuple[int, Any]] = MappingProxyType(
    {
        OFF: (404, _("Search by photo is not available.")),
        BUSY: (503, _("There is a lot to do right now. Please try again in a moment.")),
        ABSENT: (503, _("Search by photo is not available right now.")),
        YOURS: (429, _("Your last photo is still being looked at. Please try again in a moment.")),
        NO_FILE: (400, _("Please choose a photo.")),
        "empty": (400, _("This file is empty. Please choose another one.")),
        "too_large": (413, _("This photo is too large. Please choose a smaller one.")),
        "format": (400, _("This is no picture we can open. Please choose another one.")),
        "bomb": (400, _("This picture has too many pixels. Please choose a smaller one.")),
        "too_small": (
            400,
            _("This picture is too small to see anything. Please choose another one."),
        ),
        "truncated": (400, _("This picture is damaged. Please choose another one.")),
        "killer": (400, _("This picture cannot be opened. Please choose another one.")),
    }
)
RETRY_SECONDS = 2
"""What is said in Retry-After where trying again may help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A photo that has no answer."""

    code: str
    """'busy', 'absent', 'off', 'one_at_a_time', 'no_file', or an `encoders.Fault`."""
    status: int
    sentence: Any
    """For shoppers; lazily translated."""

    @property
    def may_be_tried_again(self) -> bool:
        return self.code in (BUSY, YOURS)


def note(code: str, words: str = "") -> str:
    """What stands in `Slate.notes`: the code, and words for whoever runs the shop."""
    return f"{PREFIX}{code}" + (f" ({words})" if words else "")


def refusal(slate: Slate) -> Refusal | None:
    """Why `slate`, an answer to a photo, is none; None where it is one."""
    said = next((each for each in slate.notes if each.startswith(PREFIX)), "")
    code = said.removeprefix(PREFIX).partition(" ")[0]
    return of(code) if code in _KNOWN else None


def of(code: str) -> Refusal:
    """Raises KeyError for a code there is not."""
    status, sentence = _KNOWN[code]
    return Refusal(code=code, status=status, sentence=sentence)
