"""The command: options, the statement, the lines."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import (
    attributes,
    compare,
    figures,
    peers,
    pipeline,
    protocols,
    reading,
    statement,
    vectors,
)
from benchmarks.accuracy.compare import Measured
from benchmarks.accuracy.protocols import Protocol
from benchmarks.harness import Bench, Row
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.ranking.folds import Fold
from reco_plugin.ranking.rankers import AUTO, LAMBDAMART, LINEAR, RANKERS
from reco_plugin.types import Features

BAR = 1.05
COLUMNS = ("recall@10", "ndcg@10", "mrr", "hit", "coverage", "fit_s", "ms_per_request")


def main(argv: Sequence[str]) -> int:
    """See the package."""
    told = _parser().parse_args(argv)
    try:
        if told.figures:
            return figures.main(told.only, as_json=told.json)
        if told.pipeline and not told.log:
            return _served(_planted_fold(told), {}, told)
        return _run(told) if told.log else _planted(told)
    except (
        reading.CannotRead,
        NotEnoughData,
        pipeline.CannotServe,
        vectors.CannotAsk,
        figures.NoData,
    ) as error:
        print(str(error), file=sys.stderr)
        return 2


def _run(told: argparse.Namespace) -> int:
    protocol = protocols.protocols(told.seed)[told.protocol]
    log = reading.read(
        told.log,
        prefixes=told.prefixes,
        sessions=protocol.sessions,
        items=told.items,
        columns=told.columns,
        bought=protocol.bought,
    )
    features = _features(told, log)
    refusal = statement.cannot(log, protocol, features)
    fold = None if refusal else protocols.split(log, protocol)
    if fold is None or not len(fold.requests) or not len(fold.train.items):
        print(refusal or statement.empty(protocol), file=sys.stderr)
        return 2
    if refusal := statement.strange(protocol, fold, features):
        print(refusal, file=sys.stderr)
        return 2
    fold = _drawn(fold, told.most or (pipeline.MOST if told.pipeline else 0), told.seed)
    for sentence in statement.remarks(log, protocol, fold):
        print(sentence, file=sys.stderr)
    if told.pipeline:
        return _served(fold, log.titles, told)
    if told.lightfm:
        found = vectors.measured(fold, protocol, features, seed=told.seed, threads=told.threads)
        bar = vectors.BAR
        return _shown(list(compare.lines(found, protocol, bar=bar, seed=told.seed)), told.json)
    found = measured(fold, protocol, told, features)
    return _shown(list(compare.lines(found, protocol, bar=told.bar, seed=told.seed)), told.json)


def _served(fold: Fold, titles: Mapping[int, str], told: argparse.Namespace) -> int:
    lines = list(pipeline.lines(fold, titles))
    if told.json:
        print("\n".join(json.dumps(line) for line in lines), flush=True)
    else:
        pipeline.told(lines)
    return 0 if lines[-1]["equal"] >= pipeline.AGREED else 1


def _planted_fold(told: argparse.Namespace) -> Fold:
    from reco_plugin.testing.neighbours import planted_histories

    past = planted_histories(shoppers=300, items=60, each=10)
    fold = protocols.protocols(told.seed)["time"].cut(past)
    return _drawn(fold, told.most or 100, told.seed)


def _drawn(fold: Fold, most: int, seed: int) -> Fold:
    if not most or len(fold.requests) <= most:
        return fold
    rows = np.random.default_rng(seed).choice(len(fold.requests), most, replace=False)
    return fold.select(np.sort(rows))


def _features(told: argparse.Namespace, log: reading.Log) -> Features | None:
    if told.attributes:
        return attributes.read(told.attributes, log.items)
    return attributes.of_titles(log.titles, len(log.items))


def measured(
    fold: Fold, protocol: Protocol, told: argparse.Namespace, features: Features | None
) -> list[Measured]:
    """Peers first, then the pipeline; progress on a terminal."""
    from tqdm import tqdm

    inner = protocol.inner(fold.train)
    chosen = peers.of(protocol, fold, external=told.peers, features=features)
    found = []
    with tqdm(total=len(chosen) + 1, disable=None, leave=False) as bar:
        for peer in chosen:
            bar.set_description(peer.name)
            found.append(compare.measured(peer, fold, inner, protocol, told.seed))
            bar.update()
        bar.set_description("pipeline")
        found.append(
            compare.pipeline(
                fold,
                protocol,
                features=features,
                seed=told.seed,
                threads=told.threads,
                ranker=told.ranker,
            )
        )
        bar.update()
        found += _ablated(fold, protocol, told, features) if told.ablations else []
    return found


def _ablated(
    fold: Fold, protocol: Protocol, told: argparse.Namespace, features: Features | None
) -> list[Measured]:
    """The pipeline with less to go by, and with each ranker whatever it would have chosen."""
    named = {"features": features, "seed": told.seed, "threads": told.threads}
    found = []
    for what in compare.withholdable(fold, protocol):
        part, same = compare.withheld(fold, protocol, what)
        found.append(compare.pipeline(part, same, name=f"pipeline without {what}", **named))
    for ranker in (LINEAR, LAMBDAMART):
        name = f"pipeline, ranker {ranker}"
        found.append(compare.pipeline(fold, protocol, name=name, ranker=ranker, **named))
    return found


def _shown(lines: list[dict[str, Any]], as_json: bool) -> int:
    for line in lines if as_json else ():
        print(json.dumps(line), flush=True)
    if not as_json:
        print(table(lines))
    return 0 if all(line["holds"] is not False for line in lines) else 1


def table(lines: list[dict[str, Any]]) -> str:
    """For people."""
    head = ["name", *COLUMNS, "ratio", "interval", "bar", "holds", "note"]
    rows = [head, *[_cells(line) for line in lines]]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cells(line: dict[str, Any]) -> list[str]:
    known = line.get("ratio_low") is not None
    return [
        line["name"],
        *[f"{line[name]:.4g}" for name in COLUMNS],
        f"{line['ratio']:.3f}" if line["ratio"] is not None else "",
        f"{line['ratio_low']:.3f}-{line['ratio_high']:.3f}" if known else "",
        f">= {line['bar']:g}" if line["bar"] is not None else "",
        {True: "yes", False: "NO", None: ""}[line["holds"]],
        line["note"],
    ]


def _parser() -> argparse.ArgumentParser:
    names = list(protocols.protocols(0))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks accuracy", description=reading.__doc__
    )
    parser.add_argument(
        "--log", type=Path, nargs="+", help="the log; tables may come in several files"
    )
    parser.add_argument("--protocol", choices=names, default=names[0])
    parser.add_argument(
        "--prefixes", type=Path, help="sessions: a file of `prefix TAB next item` as the test"
    )
    parser.add_argument(
        "--attributes", type=Path, help="csv with a column item, or JSON item → ids"
    )
    parser.add_argument(
        "--columns", default="", help="user=…,item=…,time=… where they are named otherwise"
    )
    parser.add_argument(
        "--items", default="", help="pattern of item names (in upper case) that are products"
    )
    parser.add_argument("--peers", action="store_true", help="the peers of `implicit` too")
    parser.add_argument(
        "--ablations",
        action="store_true",
        help="also the pipeline without times, without history, and by each ranker",
    )
    parser.add_argument(
        "--ranker",
        choices=RANKERS,
        default=AUTO,
        help="'auto' takes LambdaMART only where it is better on lists held out, beyond its interval",
    )
    parser.add_argument(
        "--most", type=_from_zero, default=0, help="ask at most this many, drawn by seed; 0: all"
    )
    parser.add_argument(
        "--pipeline",
        action="store_true",
        help="send the log through import, training and serving, and compare its lists with those of arrays",
    )
    parser.add_argument(
        "--lightfm",
        action="store_true",
        help="LightFM as this product trains and asks it, beside stock LightFM at its best setting; bar 1",
    )
    parser.add_argument(
        "--figures",
        action="store_true",
        help="every figure of the docs, row by row, from the logs in BENCH_DATA",
    )
    parser.add_argument("--only", default="", help="with --figures: some of them, by name")
    parser.add_argument("--bar", type=_finite, default=BAR, help="what the ratio must reach")
    parser.add_argument("--seed", type=_from_zero, default=0)
    parser.add_argument("--threads", type=_from_zero, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true", help="one line of JSON per model")
    parser.add_argument("--quick", action="store_true", help="without --log: fewer protocols")
    return parser


def _from_zero(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is below 0")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text} is no number")
    return number


# --- without a log -------------------------------------------------------------------------------


def _planted(told: argparse.Namespace) -> int:
    rows = list(planted_rows(Bench(quick=told.quick)))
    for row in rows:
        cells = "  ".join(row.cells())
        print(json.dumps(row.as_dict()) if told.json else cells, flush=True)
    return 0 if all(row.holds for row in rows) else 1


def planted_rows(bench: Bench) -> Iterator[Row]:
    """Protocols on a planted log of habits; a trial of the path, whose bar is that the pipeline is not worse."""
    from reco_plugin.testing.neighbours import planted_features, planted_histories

    past = planted_histories(shoppers=300, items=60, each=10)
    told = _parser().parse_args([])
    names = ["leave-last-out", "next-basket"] if bench.quick else ["leave-last-out", "last-basket"]
    names += [] if bench.quick else ["next-basket", "cart", "time"]
    for name in names:
        protocol = protocols.protocols(0)[name]
        fold = protocol.cut(past)
        found = measured(fold, protocol, told, planted_features())
        ours = next(
            line for line in compare.lines(found, protocol, bar=0.9, seed=0) if line["default"]
        )
        best = max(float(one.figures[protocol.metric].mean()) for one in found if not one.own)
        yield Row(
            name=name,
            figure=float(found[-1].figures[protocol.metric].mean()),
            floor=best,
            ratio=float(ours["ratio"]),
            bar=0.9,
            least=True,
            unit=protocol.metric,
            note=f"planted log, against {ours['against']}",
        )
