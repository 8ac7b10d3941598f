"""Two runs side by side; where they differ is what one looks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from reco_plugin import conf
from reco_plugin.admin import figures, run_facts
from reco_plugin.models import Run

if TYPE_CHECKING:
    from reco_plugin.admin.runs import RunAdmin


@dataclass(frozen=True, kw_only=True)
class Row:
    title: Any
    one: str
    two: str
    change: str = ""
    """From the first to the second, where it is a figure."""

    @property
    def differs(self) -> bool:
        return self.one != self.two


@dataclass(frozen=True, kw_only=True)
class Block:
    title: Any
    rows: list[Row]


def view(admin: RunAdmin, request: HttpRequest, one: int, two: int) -> HttpResponseBase:
    """Raises PermissionDenied, or Http404 where one of the runs is not there."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    runs = Run.objects.using(conf.settings.DATABASE).in_bulk([one, two])
    if one not in runs or two not in runs:
        raise Http404(_("One of these runs does not exist."))
    first, second = runs[one], runs[two]
    return admin.page(
        request,
        "compare.html",
        title=_("Runs %(one)s and %(two)s side by side") % {"one": one, "two": two},
        one=first,
        two=second,
        blocks=blocks(first, second),
    )


def blocks(one: Run, two: Run) -> list[Block]:
    """All there is to compare; empty blocks are left out."""
    found = [
        Block(title=_("What they are"), rows=list(_plain(one, two))),
        Block(title=_("How good they are"), rows=rows(one, two)),
        Block(title=_("What they learnt from"), rows=list(_sizes(one, two))),
        Block(title=_("Gates"), rows=list(_gates(one, two))),
        Block(title=_("Time per stage"), rows=list(_stages(one, two))),
        Block(title=_("Configuration"), rows=list(_flat(one.config, two.config))),
        Block(title=_("Store"), rows=list(_flat(one.store_state, two.store_state))),
    ]
    return [block for block in found if block.rows]


def rows(one: Run, two: Run) -> list[Row]:
    """Quality, as served, and popularity's to compare with."""
    titles = dict(zip(run_facts.FIGURES, run_facts.figure_titles(two), strict=True))
    found = [
        _figure(titles[name], run_facts.mean(one, name), run_facts.mean(two, name))
        for name in run_facts.FIGURES
    ]
    popular = [run_facts.mean(run, "ndcg", "popularity") for run in (one, two)]
    found.append(_figure(_("%s of popularity") % titles["ndcg"], *popular))
    return [row for row in found if row.one != figures.NOTHING or row.two != figures.NOTHING]


def _figure(title: Any, one: float | None, two: float | None) -> Row:
    change = figures.signed_share(two / one - 1) if one and two is not None else ""
    return Row(title=title, one=figures.decimal(one), two=figures.decimal(two), change=change)


def _plain(one: Run, two: Run) -> Iterator[Row]:
    def both(title: Any, say: Any) -> Row:
        return Row(title=title, one=str(say(one)), two=str(say(two)))

    yield both(_("Kind"), lambda run: run.kind)
    yield both(_("Status"), lambda run: run.status)
    yield both(_("Trainer"), lambda run: run.trainer)
    yield both(_("Started"), lambda run: figures.clock_time(run.created_at))
    yield both(_("Served"), lambda run: run_facts.part(run.metrics, "served") or figures.NOTHING)
    yield both(_("Why not"), lambda run: run_facts.why_not(run) or figures.NOTHING)


def _sizes(one: Run, two: Run) -> Iterator[Row]:
    yield Row(title=_("Data"), one=run_facts.window(one), two=run_facts.window(two))
    yield from _paired(dict(run_facts.counts(one)), dict(run_facts.counts(two)))


def _gates(one: Run, two: Run) -> Iterator[Row]:
    def told(run: Run) -> dict[Any, str]:
        return {gate.name: f"{gate.sign} {gate.verdict}" for gate in run_facts.gates(run)}

    yield from _paired(told(one), told(two))


def _stages(one: Run, two: Run) -> Iterator[Row]:
    def told(run: Run) -> dict[Any, str]:
        return {stage.name: stage.words for stage in run_facts.stages(run.timings)}

    yield from _paired(told(one), told(two))


def _flat(one: Any, two: Any) -> Iterator[Row]:
    yield from _paired(dict(run_facts.flat(one)), dict(run_facts.flat(two)))


def _paired(one: dict[Any, str], two: dict[Any, str]) -> Iterator[Row]:
    """By title, in the order of the first; what one lacks is a dash."""
    for title in [*one, *(title for title in two if title not in one)]:
        nothing = figures.NOTHING
        yield Row(title=title, one=one.get(title, nothing), two=two.get(title, nothing))
