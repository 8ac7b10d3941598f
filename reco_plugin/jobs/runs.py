"""What is known of a run, as JSON and as words, and two of them beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reco_plugin.models import Run


def described(run: Run, *, live: bool) -> dict[str, Any]:
    """Everything that is known of a run, JSON-able."""
    return {
        "run": run.pk,
        "site": run.site,
        "kind": run.kind,
        "live": live,
        "status": run.status,
        "trainer": run.trainer,
        "created": run.created_at.isoformat(timespec="seconds"),
        "finished": run.finished_at and run.finished_at.isoformat(timespec="seconds"),
        "error": run.error,
        "config": run.config,
        "dataset": run.dataset,
        "metrics": run.metrics,
        "gates": run.gates,
        "timings": run.timings,
        "store": run.store,
        "store_state": run.store_state,
        "artefact": run.artefact,
        "log": run.log,
    }


def shown(told: Mapping[str, Any]) -> list[str]:
    """`described` in plain words."""
    live = ", live" if told["live"] else ""
    said = [
        f"Run {told['run']}: {told['kind']}, {told['status']}{live}, by {told['trainer']}",
        f"  from {told['created']} to {told['finished'] or 'now'}",
    ]
    if told["error"]:
        said.append(f"  {told['error']}")
    for title, part in (("config", "config"), ("data", "dataset"), ("seconds", "timings")):
        said += _section(title, _plain(told[part]))
    said += _section("gates", ((_verdict(gate), gate["words"]) for gate in told["gates"]))
    said += _section("figures", _figures(told["metrics"]))
    said += _section(
        "decisions", ((each["at"], _decided(each)) for each in _decisions(told["metrics"]))
    )
    said += _section("since", ((each["at"], each["words"]) for each in _since(told["metrics"])))
    return said + _section("log", ((line["at"], _logged(line)) for line in told["log"]))


def compared(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Where two runs differ: {'runs': …, 'differences': {name: [of the one, of the other]}}."""
    sides = [dict(_facts(told)) for told in (one, other)]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    return {
        "runs": [one["run"], other["run"]],
        "differences": {
            name: [side.get(name) for side in sides]
            for name in names
            if sides[0].get(name) != sides[1].get(name)
        },
    }


def compared_lines(told: Mapping[str, Any]) -> list[str]:
    """`compared` as an aligned table."""
    rows = [["", *(f"run {number}" for number in told["runs"])]]
    rows += [[name, *map(_text, sides)] for name, sides in told["differences"].items()]
    if len(rows) == 1:
        return [f"Runs {told['runs'][0]} and {told['runs'][1]} do not differ."]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and plain values, in the order in which they are told."""
    for name in ("kind", "status", "live", "trainer", "created", "error", "store"):
        yield name, told[name]
    for part in ("config", "dataset", "timings"):
        yield from ((f"{part}: {name}", value) for name, value in _plain(told[part]))
    for gate in told["gates"]:
        yield f"gate: {gate['name']}", _verdict(gate)
        if gate["value"] is not None:
            yield f"gate: {gate['name']}, figure", round(gate["value"], 4)
    yield from _figures(told["metrics"])


def _plain(told: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested names joined by dots; lists are told as words."""
    for name, value in told.items():
        if isinstance(value, Mapping):
            yield from _plain(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            if value:
                yield f"{prefix}{name}", "; ".join(map(str, value))
        else:
            yield f"{prefix}{name}", value


def _figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """NDCG@10 and its like of every way that was judged."""
    for way, report in metrics.get("results", {}).items():
        for name, value in report.items():
            mean = value["mean"] if isinstance(value, Mapping) else value
            yield f"{way}: {name}", round(mean, 4)


def _since(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = metrics.get("since", [])
    return entries


def _decisions(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = metrics.get("decisions", [])
    return found


def _decided(entry: Mapping[str, Any]) -> str:
    why = f": {entry['why']}" if entry.get("why") else ""
    against = f", against {', '.join(entry['gates'])}" if entry.get("gates") else ""
    return f"{entry['what']} by {entry['by']}{against}{why}"


def _verdict(gate: Mapping[str, Any]) -> str:
    return {True: "passed", False: "FAILED", None: "not measured"}[gate["passed"]]


def _logged(line: Mapping[str, Any]) -> str:
    return f"{line.get('stage', '')}: {line.get('words', '')}"


def _section(title: str, rows: Any) -> list[str]:
    body = [f"    {name}: {_text(value)}" for name, value in rows]
    return [f"  {title}", *body] if body else []


def _text(value: Any) -> str:
    return "" if value is None else str(value)
