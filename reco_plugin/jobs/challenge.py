"""Is a new run as good as the live one? Both are asked for the same shoppers, and judged pair by pair.

What is compared are the two trials, on a period that neither had seen (see `champion`). A new run fails
when it is worse beyond chance and beyond the tolerance: two fits of the same settings differ too, and a
shop that is large enough makes the least difference certain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import conf
from reco_plugin.jobs.champion import Champion
from reco_plugin.jobs.evaluate import Evaluation
from reco_plugin.jobs.gates import Gate
from reco_plugin.jobs.histories import moment
from reco_plugin.jobs.trial import K, pairs
from reco_plugin.metrics import coverage, difference_interval, ndcg_at_k, top_share
from reco_plugin.types import Ints

FEWEST = 25
"""Shoppers below whom a figure would be an accident."""
FEW_PRODUCTS = 3
"""A shopper who has met no more than so many products is new."""
HEAD = 0.5
"""The products that together have this share of all pairs of shopper and product are the head, the rest
is the long tail."""
CONFIDENCE = 0.95
OF = {"ndcg": "", "new_shoppers": " of new shoppers", "long_tail": " in the long tail"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One figure of both. The interval, where there is one, is of the difference (ours - theirs)."""

    name: str
    ours: float
    theirs: float
    n: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Both:
    """The lists of the same shoppers by both runs, and what they wanted. All have n rows."""

    ours: Ints
    theirs: Ints
    wanted: sparse.csr_matrix
    seen: sparse.csr_matrix
    head: npt.NDArray[np.bool_]
    """(n_items,) products of the head."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A new run beside the live one."""

    run: int
    """The live one."""
    at: int
    """Judged is what happened from then on, µs since 1970 UTC."""
    shoppers: int
    figures: tuple[Compared, ...]
    by_folding_in: bool = False
    """The live run serves trained vectors, of which none are kept: both were judged by folding in."""

    def as_json(self) -> dict[str, Any]:
        """For Run.metrics."""
        return {
            "run": self.run,
            "from": moment(self.at).isoformat(),
            "shoppers": self.shoppers,
            "by_folding_in": self.by_folding_in,
            "figures": [asdict(figure) for figure in self.figures],
        }


def challenge(evaluation: Evaluation, champion: Champion, *, seed: int = 0) -> Beside | str:
    """The figures of both; or, in words, why they cannot be had."""
    test = evaluation.test
    start = max(evaluation.at, champion.until)
    later = test.during.select(test.during.at >= start)
    wanted = pairs(later)[test.sample.shoppers]
    asked = np.flatnonzero(np.diff(wanted.indptr))
    if len(asked) < FEWEST:
        return (
            f"only {len(asked)} shoppers did something new since {moment(start):%Y-%m-%d}, which neither "
            f"trial has seen ({FEWEST} are needed)"
        )
    folding = champion.served != "fold_in"
    theirs = champion.lists(test.sample, test.past, evaluation.lists["popularity"])
    both = Both(
        ours=evaluation.lists["fold_in" if folding else evaluation.served][asked],
        theirs=theirs[asked],
        wanted=wanted[asked],
        seen=test.sample.seen[asked],
        head=head(pairs(test.past)),
    )
    return Beside(
        run=champion.run,
        at=start,
        shoppers=len(asked),
        figures=compare(both, seed=seed),
        by_folding_in=folding,
    )


def head(met: sparse.csr_matrix) -> npt.NDArray[np.bool_]:
    """(n_items,): the fewest products that have HEAD of the pairs in `met` (n_shoppers, n_items)."""
    counts = np.bincount(met.indices, minlength=met.shape[1])
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    found = np.zeros(len(counts), bool)
    found[order[before < HEAD * counts.sum()]] = True
    return found & (counts > 0)


def compare(both: Both, *, seed: int = 0) -> tuple[Compared, ...]:
    """NDCG@10 with its interval, coverage, top share, and NDCG@10 of the slices that are large enough."""
    items = both.wanted.shape[1]
    everyone = Slice(name="ndcg", rows=np.arange(len(both.ours)), wanted=both.wanted)
    slices = [one for one in _slices(both) if len(one.rows) >= FEWEST]
    return (
        _ndcg(both, everyone, seed),
        _breadth("coverage", both, lambda lists: coverage(lists, items)),
        _breadth("top_share", both, top_share),
        *(_ndcg(both, one, seed) for one in slices),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """Some of the shoppers, and what of their wants counts; all rows of `wanted` (n, n_items) are there."""

    name: str
    rows: npt.NDArray[np.int64]
    wanted: sparse.csr_matrix
    confidence: float = CONFIDENCE


def _slices(both: Both) -> tuple[Slice, ...]:
    """Their confidence is corrected for there being two (Bonferroni)."""
    tail = (both.wanted @ sparse.diags((~both.head).astype(np.float32))).tocsr()
    tail.eliminate_zeros()
    is_new = np.diff(both.seen.indptr) <= FEW_PRODUCTS
    each = 1 - (1 - CONFIDENCE) / 2
    return (
        Slice(
            name="new_shoppers",
            rows=np.flatnonzero(is_new),
            wanted=both.wanted,
            confidence=each,
        ),
        Slice(
            name="long_tail",
            rows=np.flatnonzero(np.diff(tail.indptr)),
            wanted=tail,
            confidence=each,
        ),
    )


def _breadth(name: str, both: Both, figure: Callable[[Ints], float]) -> Compared:
    ours, theirs = figure(both.ours), figure(both.theirs)
    return Compared(name=name, ours=ours, theirs=theirs, n=len(both.ours))


def _ndcg(both: Both, of: Slice, seed: int) -> Compared:
    wanted = of.wanted[of.rows]
    ours = ndcg_at_k(both.ours[of.rows], wanted, K)
    theirs = ndcg_at_k(both.theirs[of.rows], wanted, K)
    apart = difference_interval(ours, theirs, confidence=of.confidence, seed=seed)
    return Compared(
        name=of.name,
        ours=float(ours.mean()),
        theirs=float(theirs.mean()),
        n=len(ours),
        low=apart.low,
        high=apart.high,
    )


# --- the verdicts --------------------------------------------------------------------------------


def verdicts(beside: Beside | str) -> list[Gate]:
    """One gate per figure; one that was not measured stops nothing."""
    if isinstance(beside, str):
        return [Gate(name="live", passed=None, words=f"not measured: {beside}")]
    return [_verdict(figure, beside) for figure in beside.figures]


def _verdict(figure: Compared, beside: Beside) -> Gate:
    if figure.name == "coverage":
        return _coverage(figure, beside)
    if figure.name == "top_share":
        return _top_share(figure, beside)
    return _quality(figure, beside)


def _quality(figure: Compared, beside: Beside) -> Gate:
    """Fails when the whole interval of the difference lies below the tolerated loss."""
    is_primary = figure.name == "ndcg"
    settings = conf.settings
    tolerance = settings.LIVE_TOLERANCE if is_primary else settings.GUARD_TOLERANCE
    name = "live" if is_primary else f"live_{figure.name}"
    line = -tolerance * figure.theirs
    assert figure.low is not None
    assert figure.high is not None
    setting = "RECO_LIVE_TOLERANCE" if is_primary else "RECO_GUARD_TOLERANCE"
    how = ", both by folding in" if beside.by_folding_in else ""
    return Gate(
        name=name,
        passed=figure.high >= line,
        words=f"NDCG@{K}{OF[figure.name]} {figure.ours:.4f} beside {figure.theirs:.4f} of run "
        f"{beside.run}, which is live, over {figure.n:,} shoppers of a time that neither trial had "
        f"seen{how}: {figure.ours - figure.theirs:+.4f} [{figure.low:+.4f}, {figure.high:+.4f}] (the "
        f"upper end must reach {line:+.4f}, {tolerance:.0%} of the live run's, {setting})",
        value=figure.high,
        limit=line,
    )


def _coverage(figure: Compared, beside: Beside) -> Gate:
    tolerance = conf.settings.BREADTH_TOLERANCE
    least = (1 - tolerance) * figure.theirs
    return Gate(
        name="live_coverage",
        passed=figure.ours >= least,
        words=f"those lists hold {figure.ours:.1%} of the products, beside {figure.theirs:.1%} by run "
        f"{beside.run} (at least {least:.1%}, RECO_BREADTH_TOLERANCE)",
        value=figure.ours,
        limit=least,
    )


def _top_share(figure: Compared, beside: Beside) -> Gate:
    """Shares near 1 have little room above them: what counts is the share of lists without the product."""
    tolerance = conf.settings.BREADTH_TOLERANCE
    most = figure.theirs + tolerance * (1 - figure.theirs)
    return Gate(
        name="live_top_share",
        passed=figure.ours <= most,
        words=f"the most frequent product is in {figure.ours:.1%} of those lists, beside "
        f"{figure.theirs:.1%} by run {beside.run} (at most {most:.1%}, RECO_BREADTH_TOLERANCE)",
        value=figure.ours,
        limit=most,
    )
