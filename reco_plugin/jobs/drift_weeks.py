"""How the live run has done week by week, from what the job `evaluate` measured since it was trained."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Z = 1.959964
WEEK = dt.timedelta(days=7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Week:
    """NDCG of a week: as served, popularity's, and their paired difference with its standard error."""

    number: int
    """0 is the first week after the training."""
    served: float
    error: float
    """Standard error of `served`."""
    popular: float
    lead: float
    lead_error: float
    shoppers: int

    def as_json(self) -> dict[str, Any]:
        """With 95 % intervals."""
        return {
            "week": self.number,
            "shoppers": self.shoppers,
            "ndcg": _estimate(self.served, self.error),
            "popularity": round(self.popular, 6),
            "lead": _estimate(self.lead, self.lead_error),
        }


def weeks(entries: Iterable[Mapping[str, Any]], trained: dt.datetime) -> list[Week]:
    """The weeks in which something was measured, oldest first; an entry counts where its period ended.

    Entries of one week are weighted by their shoppers. `entries` are those of Run.metrics["since"].
    """
    found: dict[int, list[Mapping[str, Any]]] = {}
    for entry in entries:
        at = dt.datetime.fromisoformat(entry["at"])
        found.setdefault(max(0, math.ceil((at - trained) / WEEK) - 1), []).append(entry)
    return [_week(number, found[number]) for number in sorted(found)]


def decay(found: Sequence[Week]) -> str:
    """In words, what of the last week speaks for a new training; '' where nothing does."""
    if not found:
        return ""
    last = found[-1]
    if last.lead + Z * last.lead_error < 0:
        return (
            f"in the last week that was judged popularity did better: {last.lead:+.4f} NDCG@10 over "
            f"{last.shoppers:,} shoppers"
        )
    first = found[0]
    lost = first.lead - last.lead
    if last.number > first.number and lost > Z * math.hypot(first.lead_error, last.lead_error):
        return (
            f"its lead over popularity fell from {first.lead:+.4f} NDCG@10 in week {first.number + 1} to "
            f"{last.lead:+.4f} in week {last.number + 1}, more than chance does"
        )
    return ""


def _week(number: int, entries: Sequence[Mapping[str, Any]]) -> Week:
    sizes = [int(entry["shoppers"]) for entry in entries]
    total = sum(sizes)
    parts = [size / total for size in sizes]

    def mean(values: Iterable[float]) -> float:
        return sum(part * value for part, value in zip(parts, values, strict=True))

    def error(values: Iterable[float]) -> float:
        return math.hypot(*(part * value for part, value in zip(parts, values, strict=True)))

    own = [entry["served"][f"ndcg@{entry['k']}"] for entry in entries]
    return Week(
        number=number,
        served=mean(one["mean"] for one in own),
        error=error((one["high"] - one["low"]) / 2 / Z for one in own),
        popular=mean(entry["popularity"][f"ndcg@{entry['k']}"]["mean"] for entry in entries),
        lead=mean(entry["difference"] for entry in entries),
        lead_error=error(entry["error"] for entry in entries),
        shoppers=total,
    )


def _estimate(mean: float, error: float) -> dict[str, float]:
    return {
        "mean": round(mean, 6),
        "low": round(mean - Z * error, 6),
        "high": round(mean + Z * error, 6),
    }
