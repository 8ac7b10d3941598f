"""When to kill: the ends of every stage of every job, before statements, and after a while."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.crash.doing import Done, Task, demand, jobs

if TYPE_CHECKING:
    from benchmarks.crash.shop import Shop
    from reco_plugin.testing.killing import Point

LEAST_BETWEEN = 0.3
"""Of all kills, at least this share comes at any other moment than at the ends of a stage."""
AFTER_A_WHILE = 0.25
"""Of these, the share that knows nothing of statements."""
At: TypeAlias = "Point | int | None"
"""An end of a stage, a statement by its number, or, None, whenever."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Of a job, when its process dies."""

    job: str
    at: At
    is_late: bool
    """See `Task`."""

    def __str__(self) -> str:
        if self.at is None:
            return f"{self.job} somewhere"
        if isinstance(self.at, int):
            return f"{self.job} before statement {self.at}"
        return f"{self.job} {self.at}"


@dataclass(kw_only=True)
class Known:
    """What jobs pass when nothing disturbs them."""

    points: dict[str, dict[Point, bool]] = field(default_factory=dict)
    """Of each job the ends of its stages, and whether they were met when it was late."""
    statements: dict[tuple[str, bool], int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """Of the longest of both."""

    @property
    def stages(self) -> int:
        return sum(map(len, self.points.values()))


def survey(shop: Shop) -> Known:
    """Do every job when it is late and when it is not. Raises RuntimeError for one that fails by itself."""
    known = Known()
    for name in jobs():  # once, so that each finds what those after it have made
        shop.stir(name)
        demand(Task(job=name, is_late=True, turn=shop.turn))
    for name in jobs():
        known.points[name] = {}
        for is_late in (True, False):
            shop.stir(name, is_late=is_late)
            look_at(Task(job=name, is_late=is_late, turn=shop.turn), known)
    return known


def look_at(task: Task, known: Known) -> None:
    """Do it, and note what it passes."""
    from reco_plugin.testing.killing import points_of, statements_of

    done: list[Done] = []
    passed: list[Point] = []
    known.statements[task.job, task.is_late] = statements_of(
        lambda: passed.extend(points_of(lambda: done.append(demand(task))))
    )
    known.seconds[task.job] = max(done[0].seconds, known.seconds.get(task.job, 0.0))
    for point in passed:
        known.points[task.job].setdefault(point, task.is_late)


def dealt(known: Known, kills: int, dice: random.Random) -> list[Moment]:
    """So many moments at the least, the ends of all stages among them where `kills` allows it; jobs take turns."""
    ends = [
        Moment(job=name, at=point, is_late=is_late)
        for name, points in known.points.items()
        for point, is_late in points.items()
    ]
    names = [moment.job for moment in ends]  # jobs of more stages more often
    names += [name for name, points in known.points.items() for _ in range(5 * (not points))]
    most = int(kills * (1 - LEAST_BETWEEN))
    wanted = kills if kills < len(ends) else max(kills, round(len(ends) / (1 - LEAST_BETWEEN)))
    dice.shuffle(ends)
    chosen = _in_turns(ends)[: most if kills < len(ends) else None]
    others = [_between(dice.choice(names), known, dice) for _ in range(wanted - len(chosen))]
    found = [*chosen, *others]
    dice.shuffle(found)
    return found


def _between(name: str, known: Known, dice: random.Random) -> Moment:
    is_late = dice.random() < 0.5
    at = None if dice.random() < AFTER_A_WHILE else dice.randint(1, known.statements[name, is_late])
    return Moment(job=name, at=at, is_late=is_late)


def _in_turns(moments: list[Moment]) -> list[Moment]:
    """One of each job, then a second of each, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    for moment in moments:
        turns.append(seen[moment.job])
        seen[moment.job] += 1
    order = sorted(range(len(moments)), key=turns.__getitem__)
    return [moments[at] for at in order]
