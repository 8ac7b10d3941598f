"""An order log tuned for some minutes: NDCG@10 on the test period before and after, and how far seeds alone differ.

    python -m benchmarks tune --log online_retail_2010_2011.parquet --minutes 10

The log is imported into the example shop, the personal run trained by the defaults (twice more with other seeds, to see
what chance does), settings looked for before the test period, applied, and trained again. Both runs are
judged by the product's own gate: trial beside trial, over the same shoppers of the test period.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import KEY, Bench, Row, close, create_database, migrate, server

TITLE = "NDCG@10 on the test period after some minutes of tuning, beside the defaults"


def main(argv: Sequence[str]) -> int:
    """See the module."""
    from benchmarks.kinds import log as logs

    told = _parser().parse_args(argv)
    try:
        log = logs.read(told.log) if told.log else logs.planted()
    except logs.NoLog as error:
        print(str(error))
        return 2
    log = _sampled(log, told.share)
    last: dict[str, Any] = {}
    for last in measured(log, told):
        print(json.dumps(last) if told.json else _line(last), flush=True)
    return 0 if last.get("not_worse") else 1


def _sampled(log: Any, share: float) -> Any:
    """The orders of a share of the customers, and no guests; all of them where the share is 1."""
    from benchmarks.kinds import log as logs

    if share >= 1:
        return log
    people = np.unique(log.customer[log.customer != ""])
    chosen = np.random.default_rng(0).choice(people, round(len(people) * share), replace=False)
    return logs.rows(log, np.isin(log.customer, chosen))


def run(bench: Bench) -> Iterator[Row]:
    """On a planted log: what tuning applies must not be worse than the defaults, beyond the gate's tolerance."""
    from benchmarks.kinds import log as logs

    told = _parser().parse_args(["--minutes", "1" if bench.quick else "5"])
    *_, last = measured(logs.planted(), told)
    yield Row(
        name="tuned beside defaults",
        figure=last["ndcg"],
        floor=last["beside"],
        ratio=last["ndcg"] / last["beside"] if last["beside"] else 1.0,
        bar=0.98,
        least=True,
        unit="NDCG@10",
        note=f"planted log, {last['shoppers']} shoppers of the test period",
    )


def measured(log: Any, told: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One figure after the other; the last one is that of the tuned run."""
    with tempfile.TemporaryDirectory(prefix="reco-bench-") as folder, server():
        os.environ |= {"BENCH_FOLDER": folder}
        os.environ.pop(KEY, None)
        create_database("tune")
        _connect()
        migrate()
        try:
            yield from _in_shop(log, told)
        finally:
            close()


def _connect() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.kinds.settings"
    django.setup()


def _in_shop(log: Any, told: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from benchmarks.kinds import log as logs
    from benchmarks.kinds import shop
    from reco_plugin.jobs import tuned
    from reco_plugin.jobs.running.execute import execute
    from reco_plugin.jobs.tune import Options, tune

    shop.build(log, logs.cut(log, told.days), lambda step: None)
    execute("sync_items")
    first = _trained("defaults", seed=0)
    yield first
    _make_live(first)
    for seed in told.seeds:
        yield _trained(f"defaults, seed {seed}", seed=seed, activate=False)
    asked = Options(sampler=told.sampler, minutes=told.minutes, seed=told.seed, folds=told.folds)
    found = tune(1, asked)
    best = found.metrics["best"]
    yield {
        "name": "tuning",
        "trials": len(found.metrics["trials"]),
        "words": found.error or found.gates[0]["words"],
        "params": best["params"],
    }
    if found.status == "published":
        tuned.apply(found, by="benchmark")
    yield _trained("tuned" if found.status == "published" else "nothing found", seed=0)


def _make_live(told: dict[str, Any]) -> None:
    """What a gate rejected goes live all the same: the next ones are held against it."""
    from reco_plugin.jobs import decisions
    from reco_plugin.jobs.running.execute import execute
    from reco_plugin.models import Run

    run = Run.objects.get(pk=told["run"])
    if run.status == "rejected":
        decisions.overrule(run, by="benchmark", why="to have something to compare with")
        execute("train")


def _trained(name: str, *, seed: int, activate: bool = True) -> dict[str, Any]:
    from reco_plugin.jobs.train import train

    started = time.monotonic()
    run = train(sync=False, seed=seed, threads=1, activate=activate)
    metrics = run.metrics
    beside = metrics.get("beside_live", {"figures": []})
    figures = {one["name"]: one for one in beside["figures"]}
    own = metrics["results"][metrics["served"]]
    popular = metrics["results"]["popularity"]["ndcg@10"]["mean"]
    ndcg = figures.get("ndcg", {})
    return {
        "name": name,
        "run": run.pk,
        "status": run.status,
        "ndcg": own["ndcg@10"]["mean"],
        "recall": own["recall@10"]["mean"],
        "coverage": own["coverage@10"],
        "popularity": popular,
        "beside": ndcg.get("theirs", 0.0),
        "difference": [ndcg.get(end) for end in ("low", "high")],
        "shoppers": metrics["shoppers"],
        "seconds": round(time.monotonic() - started, 1),
        "not_worse": not any(
            gate["passed"] is False for gate in run.gates if gate["name"].startswith("live")
        ),
        "failed": [gate["words"] for gate in run.gates if gate["passed"] is False],
    }


def _line(told: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in told.items() if value != [])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks tune", description=TITLE)
    parser.add_argument("--log", default="", help="a file or folder, or its name in BENCH_DATA")
    parser.add_argument("--days", type=int, default=1, help="days at the end that are left out")
    parser.add_argument("--share", type=float, default=1.0, help="of the customers, drawn by lot")
    parser.add_argument("--seeds", type=int, nargs="*", default=(1, 2), help="of more trainings")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one line of JSON per figure")
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    return parser
