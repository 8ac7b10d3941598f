"""Do deep models earn their place? Single methods by name, each in a process of its own, on any log.

    python -m benchmarks deep --log FILE [FILE …] [--protocol leave-last-out] [--models sequential,ease,lightgcn,sasrec]
                              [--items PATTERN] [--columns …] [--most N] [--seed 0] [--threads N] [--json]

Logs and protocols are those of `python -m benchmarks accuracy`, judged by the same evaluator. Without `--log` a small
planted log is measured, to try the path.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy import protocols, reading, statement
from benchmarks.harness import Bench, Row
from reco_plugin.evaluation import entrants, process, verdicts
from reco_plugin.evaluation.judging import Measured, judged
from reco_plugin.evaluation.measuring import Question, answers
from reco_plugin.evaluation.protocols import drawn
from reco_plugin.exceptions import RecoError

TITLE = (
    "SASRec and LightGCN beside the plain methods, quality and cost (--log FILE --protocol NAME)"
)
MODELS = "popularity,sequential,itemknn,ease,LightFM (stock),lightgcn,sasrec"
COLUMNS = ("recall@10", "ndcg@10", "coverage", "fit_s", "ms_per_request", "memory_mb", "ratio")


def run(bench: Bench) -> Iterator[Row]:
    """A planted log of habits: what is learnt must be well above popularity."""
    from reco_plugin.testing.neighbours import planted_histories

    protocol = protocols.protocols(0)["leave-last-out"]
    fold = protocol.cut(planted_histories(shoppers=150 if bench.quick else 600))
    question = Question(fold=fold, protocol=protocol)
    able = entrants.taking_part(question)
    floor = _ndcg("popularity", question)
    for name in ("lightgcn", "sasrec"):
        if name in able:
            figure = _ndcg(name, question)
            yield Row(name=name, figure=figure, floor=floor, ratio=figure / floor, bar=1.5,
                      least=True, unit="ndcg", note="planted log, against popularity")  # fmt: skip


def _ndcg(name: str, question: Question) -> float:
    found = answers(entrants.model(name, question), question)
    return float(judged(name, found.lists, question.fold, 10, fit_s=0, ms=0).figures["ndcg"].mean())


def main(argv: Sequence[str]) -> int:
    """0 when all were measured, 1 when one failed, 2 for a log that cannot answer."""
    told = _parser().parse_args(argv)
    if not told.log:
        rows = list(run(Bench(quick=told.quick)))
        print("\n".join("  ".join(row.cells()) for row in rows))
        return 0 if all(row.holds for row in rows) else 1
    try:
        question = _question(told)
    except reading.CannotRead as error:
        print(str(error), file=sys.stderr)
        return 2
    found, failed = _measured(question, told.models.split(","))
    _shown(verdicts.full_lines(found, question.protocol, seed=told.seed), as_json=told.json)
    for name, words in failed.items():
        print(f"{name}: {words}", file=sys.stderr)
    return 1 if failed else 0


def _question(told: argparse.Namespace) -> Question:
    protocol = protocols.protocols(told.seed)[told.protocol]
    log = reading.read(
        told.log,
        sessions=protocol.sessions,
        items=told.items,
        columns=told.columns,
        bought=protocol.bought,
    )
    if refusal := statement.cannot(log, protocol):
        raise reading.CannotRead(refusal)
    fold = drawn(protocols.split(log, protocol), told.most, told.seed)
    if not len(fold.requests):
        raise reading.CannotRead(f"This log leaves nobody to ask by {protocol.name}.")
    return Question(fold=fold, protocol=protocol, seed=told.seed, threads=told.threads)


def _measured(question: Question, names: Sequence[str]) -> tuple[list[Measured], dict[str, str]]:
    failed = entrants.lacking(names)
    found = []
    with process.prepared(question) as place:
        for name in [name for name in names if name not in failed]:
            try:
                found.append(_one(name, question, place))
            except (RecoError, ValueError) as error:
                failed[name] = str(error)
            else:
                print(f"{name}: {found[-1].fit_s:.0f} s", file=sys.stderr, flush=True)
    return found, failed


def _one(name: str, question: Question, place: Path) -> Measured:
    answer = process.answers(name, question, place)
    return judged(
        name,
        answer.lists,
        question.fold,
        question.protocol.k,
        fit_s=answer.fit_s,
        ms=answer.ms_per_request,
        memory_mb=answer.memory_mb,
        note=answer.note,
        sort=entrants.model(name, question).sort,
    )


def _shown(lines: list[dict[str, Any]], *, as_json: bool) -> None:
    for line in lines if as_json else ():
        print(json.dumps(line), flush=True)
    if not as_json:
        print(f"{'':<18}" + "".join(f"{name:>16}" for name in COLUMNS))
        for line in lines:
            cells = (f"{line[name] or 0:>16.4g}" for name in COLUMNS)
            print(f"{line['name']:<18}" + "".join(cells))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks deep", description=__doc__)
    parser.add_argument("--log", type=Path, nargs="+")
    parser.add_argument(
        "--protocol", choices=list(protocols.protocols(0)), default="leave-last-out"
    )
    parser.add_argument(
        "--models", default=MODELS, help="names of reco_compare, separated by commas"
    )
    parser.add_argument("--items", default="", help="pattern of item names that are products")
    parser.add_argument(
        "--columns", default="", help="user=…,item=… where they are named otherwise"
    )
    parser.add_argument("--most", type=int, default=0, help="ask at most this many; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON per model")
    parser.add_argument("--quick", action="store_true", help="without --log: a smaller one")
    return parser
