"""Top-10 for every shopper: our batched `top_n` beside the loop LightFM's own documentation leads to.

Figure: `top_n` over all shoppers, what they have seen left out.
Floor: `LightFM.predict` of one shopper at a time over all items, the seen ones struck out, then
argpartition and a sort of the ten. It is timed on an even sample of the shoppers and scaled to all, since
it takes minutes; each of the loop's answers is compared with ours.
Both run in turn in one fresh process of their own, on vectors LightFM trained there, with the same number of
threads: LightFM's are OpenMP's, ours work on a tile each with a BLAS of one.
"""

from __future__ import annotations

import tracemalloc
from typing import Any

from benchmarks import harness
from benchmarks.harness import Bench, Row

TITLE = "top-10 for every shopper, 20 k items, d = 64"

SPEED_BAR = 6.0
K = 10
DIMENSIONS = 64
MEMORY_MB = 64
CLOSE = 1e-4
"""Two scores nearer than this, relative to the largest, are equal: the sums are taken in another order."""


def run(bench: Bench) -> list[Row]:
    size: dict[str, Any] = {"shoppers": 20_000, "items": 20_000, "sample": 500}
    if bench.quick:
        size = {"shoppers": 2_000, "items": 2_000, "sample": 200}
    rows = []
    with bench.progress(3, "topn") as bar:
        for threads in (1, 2):
            rows.append(_speed(threads, size))
            bar.update()
        rows.append(_memory(size))
        bar.update()
    return rows


def _speed(threads: int, size: dict[str, Any]) -> Row:
    counts = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
    found = harness.in_child(
        "benchmarks.topn:measure", environ=counts, threads=threads, **size
    ).value
    return Row.at_least(
        f"{size['shoppers']:,} shoppers, {size['items']:,} items, {threads} thread"
        + ("s" if threads > 1 else ""),
        found["figure"],
        found["floor"],
        SPEED_BAR,
        ratio=found["ratio"],
        note=found["note"],
    )


def _memory(size: dict[str, Any]) -> Row:
    found = harness.in_child("benchmarks.topn:working_memory", **size).value
    return Row.at_most(
        f"memory_mb={MEMORY_MB}",
        found,
        MEMORY_MB,
        1.0,
        unit="MiB",
        note="most allocated above inputs and answers; floor is the setting",
    )


# --- in children ---------------------------------------------------------------------------------


def measure(shoppers: int, items: int, sample: int, threads: int) -> dict[str, Any]:
    """Both, in turn, and a comparison of their answers."""
    import numpy as np

    seen, engine = trained(shoppers, items, threads)
    some = np.linspace(0, shoppers - 1, sample).astype(np.int32)
    answers: dict[str, Any] = {}

    def figure() -> None:
        answers["ours"] = ours(engine, seen, threads)

    def floor() -> None:
        answers["theirs"] = predict_loop(engine, seen, some, threads)

    timing = harness.interleave(figure, floor, repeats=3)
    scale = shoppers / sample
    rows, scores = (array[some] for array in answers["ours"])
    same = compare((rows, scores), answers["theirs"])
    return {
        "figure": timing.figure,
        "floor": timing.floor * scale,
        "ratio": 1 / timing.ratio * scale,
        "note": f"own process; loop timed on {sample:,} shoppers, scaled; {same}",
    }


def working_memory(shoppers: int, items: int, sample: int) -> float:
    """MiB `top_n` allocated at most, above its inputs and answers."""
    import numpy as np

    from reco_plugin.trainers.topn import top_n

    random = np.random.default_rng(0)
    vectors = random.normal(size=(sample + items, DIMENSIONS)).astype(np.float32)
    biases = random.normal(size=items).astype(np.float32)
    tracemalloc.start()
    rows, scores = top_n(
        vectors[:sample], vectors[sample:], biases, K, memory_mb=MEMORY_MB, threads=2
    )
    peak = tracemalloc.get_traced_memory()[1]
    return float(peak - rows.nbytes - scores.nbytes) / 2**20


def trained(shoppers: int, items: int, threads: int) -> tuple[Any, Any]:
    """A history of 20 items each, the popular ones often, and a LightFM fitted to it."""
    import lightfm
    import numpy as np
    from scipy import sparse

    random = np.random.default_rng(0)
    taken = (items * random.random(shoppers * 20) ** 2).astype(np.int32)
    rows = np.repeat(np.arange(shoppers, dtype=np.int32), 20)
    ones = np.ones(len(taken), dtype=np.float32)
    seen = sparse.csr_matrix((ones, (rows, taken)), shape=(shoppers, items))
    seen.data[:] = 1
    engine = lightfm.LightFM(no_components=DIMENSIONS, loss="warp", random_state=0)
    engine.fit(seen.tocoo(), epochs=1, num_threads=threads)
    return seen, engine


def ours(engine: Any, seen: Any, threads: int) -> tuple[Any, Any]:
    from reco_plugin.trainers.topn import top_n

    return top_n(
        engine.user_embeddings,
        engine.item_embeddings,
        engine.item_biases,
        K,
        exclude=seen,
        threads=threads,
    )


def predict_loop(engine: Any, seen: Any, some: Any, threads: int) -> tuple[Any, Any]:
    """The floor. Scores have the shopper's own bias taken off again, which moves no rank."""
    import numpy as np

    items = np.arange(seen.shape[1], dtype=np.int32)
    rows, best = np.empty((len(some), K), np.int32), np.empty((len(some), K), np.float32)
    for place, shopper in enumerate(some):
        scores = engine.predict(int(shopper), items, num_threads=threads)
        scores[seen.indices[seen.indptr[shopper] : seen.indptr[shopper + 1]]] = -np.inf
        top = np.argpartition(-scores, K)[:K]
        rows[place] = top[np.argsort(-scores[top])]
        best[place] = scores[rows[place]] - engine.user_biases[shopper]
    return rows, best


def compare(mine: tuple[Any, Any], theirs: tuple[Any, Any]) -> str:
    """What is equal; raises RuntimeError unless place by place the scores are."""
    import numpy as np

    apart = float(np.abs(mine[1] - theirs[1]).max() / np.abs(theirs[1]).max())
    if not apart < CLOSE:
        raise RuntimeError(
            f"The answers differ: scores are up to {apart:.2g} of the largest apart."
        )
    lists = int((mine[0] == theirs[0]).all(axis=1).sum())
    return f"{lists:,} of {len(mine[0]):,} lists equal, scores of all to {apart:.0e}"
