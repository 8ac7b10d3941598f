"""What a run's JSON says, in words. Old and broken runs lack parts of it, so nothing is taken on trust."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin.admin import charts, figures
from reco_plugin.models import Run, RunStatus

LONGEST, SHOWN = 100, 40
"""Characters of a word that is shown whole, and of a longer one: numbers packed as text."""
WAYS = {
    "fold_in": gettext_lazy("Personal, from recent clicks"),
    "trained": gettext_lazy("Personal, as trained"),
    "both": gettext_lazy("Personal, both together"),
    "blend": gettext_lazy("Personal, by the learnt blend"),
    "weights": gettext_lazy("Personal, by fixed weights"),
    "popularity": gettext_lazy("Popularity, to compare"),
}
STATUS = {
    RunStatus.RUNNING: gettext_lazy("running"),
    RunStatus.TRAINED: gettext_lazy("trained"),
    RunStatus.PUBLISHED: gettext_lazy("published"),
    RunStatus.REJECTED: gettext_lazy("rejected"),
    RunStatus.FAILED: gettext_lazy("failed"),
    RunStatus.PRUNED: gettext_lazy("let go"),
}
KINDS = {
    "personal": gettext_lazy("personal"),
    "behaviour": gettext_lazy("behaviour"),
    "blend": gettext_lazy("blend"),
    "comparison": gettext_lazy("comparison"),
    "popular": gettext_lazy("popular"),
    "trending": gettext_lazy("trending"),
    "converting": gettext_lazy("best converting"),
    "tail": gettext_lazy("rarely shown"),
    "sale": gettext_lazy("on sale"),
    "brands": gettext_lazy("brands"),
    "categories": gettext_lazy("categories"),
    "encoder": gettext_lazy("encoder of pictures"),
    "visual": gettext_lazy("pictures"),
    "tuning": gettext_lazy("tuning"),
}


def part(value: Any, *names: str) -> Any:
    """`value[name][name]…`, None as soon as something is missing or no mapping."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def depth(run: Run) -> int:
    """The k of NDCG@k."""
    k = part(run.metrics, "k")
    return k if isinstance(k, int) else 10


def measured(run: Run, figure: str, way: str = "") -> Any:
    """What was measured of a way of serving (of the one in use, unless named): an estimate
    {'mean', 'low', 'high', 'n'}, a number, or None."""
    way = way or str(part(run.metrics, "served") or "")
    return part(run.metrics, "results", way, f"{figure}@{depth(run)}")


def mean(run: Run, figure: str, way: str = "") -> float | None:
    """As `measured`, the number alone."""
    found = measured(run, figure, way)
    value = found.get("mean") if isinstance(found, Mapping) else found
    return float(value) if value is not None and figures.is_number(value) else None


def ends(estimate: Any) -> tuple[float | None, float | None]:
    """'low' and 'high' of an estimate, where it has both."""
    low, high = part(estimate, "low"), part(estimate, "high")
    known = figures.is_number(low) and figures.is_number(high)
    return (low, high) if known else (None, None)


def lift(run: Run) -> float | None:
    """NDCG as served beside popularity's, as a share of that: 0.2 is a fifth better."""
    ours, theirs = mean(run, "ndcg"), mean(run, "ndcg", "popularity")
    return ours / theirs - 1 if ours is not None and theirs else None


def why_not(run: Run) -> str:
    """Why it failed or was rejected; '' when it was not."""
    if run.error:
        return run.error
    if run.status == RunStatus.PUBLISHED:  # against its gates: the decision says why
        return ""
    return "; ".join(gate.words for gate in gates(run) if gate.passed is False)


def window(run: Run) -> str:
    """The data it learnt from: first and last day, or the days counted."""
    first, last = part(run.dataset, "quality", "first"), part(run.dataset, "quality", "last")
    if first and last:
        return figures.iso_day(first) + figures.TO + figures.iso_day(last)
    days = part(run.dataset, "days")
    if days:
        return _("last %s days") % figures.whole(days)
    return _("all history") if days == 0 else figures.NOTHING


def counts(run: Run) -> list[tuple[Any, str]]:
    """(what, how many), those that the run knows."""
    named = {
        "events": _("events"),
        "shoppers": _("shoppers"),
        "items": _("products"),
        "interactions": _("pairs of shopper and product"),
        "features": _("features"),
        "lists": _("lists"),
    }
    found = ((words, part(run.dataset, name)) for name, words in named.items())
    return [(words, figures.whole(count)) for words, count in found if figures.is_number(count)]


@dataclass(frozen=True, kw_only=True)
class GateRow:
    name: str
    passed: bool | None
    words: str

    @property
    def sign(self) -> str:
        return {True: "✓", False: "✗"}.get(self.passed, figures.NOTHING)  # type: ignore[arg-type]

    @property
    def verdict(self) -> str:
        return {True: _("passed"), False: _("failed")}.get(
            self.passed,  # type: ignore[arg-type]
            _("not measured"),
        )


def gates(run: Run) -> list[GateRow]:
    """Each verdict, failed ones first."""
    found = [
        GateRow(
            name=str(gate.get("name", "")),
            passed=gate.get("passed"),
            words=str(gate.get("words", "")),
        )
        for gate in _mappings(run.gates)
    ]
    return sorted(found, key=lambda gate: gate.passed is not False)


@dataclass(frozen=True, kw_only=True)
class WayRow:
    """How one way of serving did."""

    title: Any
    is_served: bool
    cells: list[tuple[str, str]]
    """(figure, its interval)."""


FIGURES = ("ndcg", "recall", "hit_rate", "mrr", "coverage", "top_share")


def figure_titles(run: Run) -> list[str]:
    k = depth(run)
    return [
        f"NDCG@{k}",
        f"recall@{k}",
        _("hit rate@%s") % k,
        f"MRR@{k}",
        _("coverage@%s") % k,
        _("top share@%s") % k,
    ]


def ways(run: Run) -> list[WayRow]:
    """The measurement as a table: what is served, the other way, popularity."""
    results = part(run.metrics, "results")
    served = part(run.metrics, "served")
    if not isinstance(results, Mapping):
        return []
    return [
        WayRow(
            title=WAYS.get(name, name),
            is_served=name == served,
            cells=[_cell(measured(run, figure, name)) for figure in FIGURES],
        )
        for name in sorted(results, key=lambda name: (name != served, name == "popularity"))
    ]


def _cell(found: Any) -> tuple[str, str]:
    if isinstance(found, Mapping):
        return figures.decimal(found.get("mean")), figures.interval(dict(found))
    return figures.share(found), ""


@dataclass(frozen=True, kw_only=True)
class BesideRow:
    """One figure of a run, and of the run that was live when it was trained."""

    title: Any
    ours: str
    theirs: str
    change: str
    """The difference, with its interval where there is one."""
    shoppers: str


@dataclass(frozen=True, kw_only=True)
class BesideLive:
    run: int
    since: str
    by_folding_in: bool
    rows: list[BesideRow]


BESIDE = {
    "ndcg": gettext_lazy("NDCG"),
    "coverage": gettext_lazy("coverage"),
    "top_share": gettext_lazy("top share"),
    "new_shoppers": gettext_lazy("NDCG of new shoppers"),
    "long_tail": gettext_lazy("NDCG in the long tail"),
}


def beside_live(run: Run) -> BesideLive | None:
    """The trial of `run` beside that of the run that was live then; None where none was held against it."""
    told = part(run.metrics, "beside_live")
    live = part(told, "run")
    if not isinstance(live, int):
        return None
    return BesideLive(
        run=live,
        since=figures.moment(figures.parsed(part(told, "from"))),
        by_folding_in=bool(part(told, "by_folding_in")),
        rows=[_beside(figure) for figure in _mappings(part(told, "figures"))],
    )


def _beside(figure: Mapping[str, Any]) -> BesideRow:
    name, ours, theirs = str(figure.get("name")), figure.get("ours"), figure.get("theirs")
    say = figures.share if name in ("coverage", "top_share") else figures.decimal
    known = figures.is_number(ours) and figures.is_number(theirs)
    apart = float(ours) - float(theirs) if known else None  # type: ignore[arg-type]
    change = figures.signed(apart)
    if ends(figure) != (None, None):
        change += f" [{figures.interval(dict(figure))}]"
    return BesideRow(
        title=BESIDE.get(name, name),
        ours=say(ours),
        theirs=say(theirs),
        change=change if name not in ("coverage", "top_share") else figures.signed_share(apart),
        shoppers=figures.whole(figure.get("n")),
    )


def decided(run: Run) -> list[tuple[str, str, str, str]]:
    """(when, what, by whom, why), oldest first."""
    return [
        (
            figures.clock_time(figures.parsed(entry.get("at"))),
            str(entry.get("what", "")),
            str(entry.get("by", "")),
            "; ".join(
                filter(None, (str(entry.get("why", "")), ", ".join(_texts(entry.get("gates")))))
            ),
        )
        for entry in _mappings(part(run.metrics, "decisions"))
    ]


@dataclass(frozen=True, kw_only=True)
class StageRow:
    name: str
    seconds: float
    part: float
    """Of the longest."""

    @property
    def words(self) -> str:
        return figures.span(self.seconds)

    @property
    def bar(self) -> SafeString:
        return charts.bar(self.part)


def stages(timings: Any, order: Sequence[str] = ()) -> list[StageRow]:
    """Seconds per stage, in the order given, then the longest first: the database keeps no order."""
    known = {name: float(s) for name, s in _items(timings) if figures.is_number(s)}
    longest = max(known.values(), default=0.0) or 1.0
    places = {name: place for place, name in enumerate(dict.fromkeys(order))}
    rows = [StageRow(name=name, seconds=s, part=s / longest) for name, s in known.items()]
    return sorted(rows, key=lambda row: (places.get(row.name, len(places)), -row.seconds))


@dataclass(frozen=True, kw_only=True)
class LogLine:
    at: str
    stage: str
    words: str


def log_lines(run: Run) -> list[LogLine]:
    return [
        LogLine(
            at=figures.clock_time(figures.parsed(line.get("at"))),
            stage=str(line.get("stage", "")),
            words=str(line.get("words", "")),
        )
        for line in _mappings(run.log)
    ]


def notes(run: Run) -> list[str]:
    """Remarks of the dataset and of the measurement, and the report on the data's quality."""
    found: list[str] = []
    for names in (("quality", "lines"), ("notes",)):
        found += _texts(part(run.dataset, *names))
    return found + _texts(part(run.metrics, "notes"))


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """('nearest / recall', '0.98'), … of nested JSON; empty values are left out, numbers packed as text are cut."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from flat(inner, f"{prefix} / {name}" if prefix else str(name))
    elif value not in (None, "", []):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        is_packed = len(text) > LONGEST and " " not in text
        yield prefix, f"{text[:SHOWN]} … ({len(text):,})" if is_packed else text


def seconds(run: Run) -> float:
    return sum(stage.seconds for stage in stages(run.timings))


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    rows = value if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, Mapping)]


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []
