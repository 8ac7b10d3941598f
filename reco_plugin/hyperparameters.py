"""Hyper-parameters from JSON: typed, and strict about what they do not know."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def read(kind: type[T], config: Mapping[str, Any] | None) -> T:
    """A dataclass of hyper-parameters from a mapping laid over its defaults.

    Raises ValueError for a key it does not have (naming the nearest) and for a value of another type
    than the default's.
    """
    defaults = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    values = dict(config or {})
    for key, value in values.items():
        if key not in defaults:
            raise ValueError(_unknown(key, list(defaults)))
        values[key] = _typed(key, value, type(defaults[key]))
    return kind(**values)


def require(holds: bool, message: str) -> None:
    """Raise ValueError(message) unless it holds."""
    if not holds:
        raise ValueError(message)


def choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError, with the nearest choice, unless `value` is one of them."""
    if value not in choices:
        near = difflib.get_close_matches(value, choices, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}{meant}")


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no hyper-parameter {key!r}.{meant} Known: {', '.join(known)}."


def _typed(key: str, value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ValueError(f"{key} must be {kind.__name__}, not {type(value).__name__} ({value!r}).")
    return value
