"""A product page with four placements at a million products, beside the same page at a hundred thousand.

Both shops are made up: products, history, clustered vectors, lists of behaviour and ranked lists, so that
nothing is trained. The same calls are timed in both, a different shopper and product each time, and the
two processes take turns, so that a noisy machine disturbs both alike.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from benchmarks.harness import (
    URL,
    Bench,
    Row,
    connect,
    create_database,
    migrate,
    server,
)

TITLE = "scale: a page of four placements at 1 M products, beside its own time at 100 k"
BAR = 1.6
DIMENSION = 64
EVENTS_EACH = 10
SPOTS = ("product_together", "product_similar", "product_also_viewed", "product_recent")
RELATIONS = ("bought_together", "viewed_viewed", "viewed_bought", "bought_bought")
LISTED = 20
"""Products in a list of behaviour."""
CHUNK = 50_000


def run(bench: Bench) -> Iterator[Row]:
    """One row for the time, one for the statements."""
    sizes = (2_000, 20_000) if bench.quick else (100_000, 1_000_000)
    rounds = 40 if bench.quick else 400
    with server() as url, ExitStack() as stack, bench.progress(2 * 5, "two shops") as bar:
        shops = [stack.enter_context(_shop(url, size, bench.quick, bar.update)) for size in sizes]
        for shop in shops:
            shop("warm", rounds // 4)
        small, large = [], []
        for turn in range(rounds):
            pages = [(shops[0], small), (shops[1], large)]
            for shop, times in pages if turn % 2 else pages[::-1]:
                times.append(shop("page", 1))
        counts = [shop("count", 20) for shop in shops]
    yield Row.at_most(
        f"page of {len(SPOTS)} placements, {sizes[1]:,} products",
        statistics.median(large) * 1e3,
        statistics.median(small) * 1e3,
        BAR,
        unit="ms",
        note=f"floor: {sizes[0]:,} products; 95th percentile "
        f"{np.percentile(large, 95) * 1e3:.1f} / {np.percentile(small, 95) * 1e3:.1f} ms",
    )
    yield Row(
        name="reading statements of it",
        figure=counts[1],
        floor=counts[0],
        ratio=counts[1],
        bar=8,
        unit="reads",
        note="the most of 20 pages",
    )


@contextmanager
def _shop(url: str, items: int, quick: bool, tick: Any) -> Iterator[Any]:
    """A process with a shop of that size; call it with a word and a number."""
    import os

    os.environ[URL] = url
    create_database(f"scale_{items}")
    command = [sys.executable, "-m", "benchmarks.scale", str(items), "quick" if quick else ""]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdin is not None
    assert process.stdout is not None
    reading, writing = process.stdout, process.stdin

    def ask(word: str, number: int) -> float:
        writing.write(f"{word} {number}\n")
        writing.flush()
        line = reading.readline()
        if not line:
            raise RuntimeError(f"The shop of {items:,} products has gone.")
        return float(json.loads(line))

    for step in ("products", "history", "vectors", "lists", "settled"):
        ask(step, items)
        tick()
    try:
        yield ask
    finally:
        process.stdin.close()
        process.wait(timeout=60)


# --- in the process ------------------------------------------------------------------------------


class Shop:
    """Makes the shop, then shows its pages."""

    def __init__(self, items: int, *, quick: bool) -> None:
        from django.conf import settings

        self.items = items
        self.people = max(items // 10, 1_000)
        self._turn = 0
        settings.RECO_STATEMENT_TIMEOUT_MS = 5_000
        if quick:
            settings.RECO_EXACT_ROWS = 1_000

    def products(self, _: int) -> float:
        from benchmarks.shop.generate import fill_shop

        fill_shop(self.items)
        return 0.0

    def history(self, _: int) -> float:
        from benchmarks.shop.generate import fill_interactions

        fill_interactions(self.items * EVENTS_EACH, shoppers=self.people, items=self.items)
        return 0.0

    def vectors(self, _: int) -> float:
        """A clustered space, published with its index as a training would."""
        from reco_plugin import backends
        from reco_plugin.models import Run, RunStatus
        from reco_plugin.stores.base import Handle, Vectors
        from reco_plugin.types import id_map

        run = Run.objects.create(
            kind="personal",
            trainer="made",
            status=RunStatus.PUBLISHED,
            config={"shopper_vector": "fold_in"},
            dataset={"norm": 1.0},
            store=backends.store().name,
        )
        made = Vectors(
            items=id_map(list(range(1, self.items + 1))),
            item_vectors=_clustered(_shelves()),
            item_biases=np.zeros(self.items, np.float32),
            shoppers=id_map([uuid.UUID(int=0)]),
            shopper_vectors=np.ones((1, DIMENSION), np.float32),
        )
        run.store_state = backends.store().publish(Handle(run=run.pk), made)
        run.save()
        _activate(run)
        return 0.0

    def lists(self, _: int) -> float:
        """Every product goes with others of every relation; everything is on a ranked list."""
        from reco_plugin.models import RankedList

        behaviour = _run("behaviour")
        _copy_related(behaviour, self.items)
        rng = np.random.default_rng(5)
        for kind in ("popular", "trending", "converting", "tail", "sale"):
            run = _run(kind)
            for segment in ("", *(f"Range {root}" for root in range(8))):
                keys = rng.choice(self.items, min(200, self.items), replace=False) + 1
                scores = np.linspace(1, 0, len(keys)).round(4)
                RankedList.objects.create(
                    run=run, segment=segment, keys=keys.tolist(), scores=scores.tolist()
                )
        return 0.0

    def settled(self, _: int) -> float:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        return 0.0

    def warm(self, count: int) -> float:
        for _ in range(count):
            self.page(1)
        return 0.0

    def page(self, _: int) -> float:
        """Seconds of one page."""
        request, product = self._next()
        began = time.perf_counter()
        _planned(request, product)
        return time.perf_counter() - began

    def count(self, pages: int) -> float:
        """The most reading statements of any of `pages`."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        most = 0
        for _ in range(pages):
            request, product = self._next()
            with CaptureQueriesContext(connection) as captured:
                _planned(request, product)
            most = max(most, sum(" FROM " in query["sql"] for query in captured))
        return float(most)

    def _next(self) -> tuple[Any, Any]:
        """A request of a shopper of their own, and a product of its own, as a view has it."""
        from django.test import RequestFactory

        from benchmarks.shop.generate import shopper_keys
        from benchmarks.shop.models import Product

        if self._turn == 0:
            rng = np.random.default_rng(7)
            self._people = shopper_keys(self.people).to_python()
            self._order = rng.integers(self.people, size=100_000)
            self._products = rng.integers(1, self.items + 1, size=100_000)
        self._turn += 1
        request = RequestFactory().get("/")
        request.META["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"
        request.COOKIES["reco_visitor"] = str(self._people[self._order[self._turn]])
        product = Product._default_manager.get(pk=int(self._products[self._turn]))
        return request, product


def _planned(request: Any, product: Any) -> Any:
    from reco_plugin.serving.page import plan

    return plan(request, list(SPOTS), product=product, record=False)


def _shelves() -> Any:
    """int64 (items,): the shelf each product stands on, in the order of the keys."""
    from benchmarks.shop.models import Product

    shelves = Product._default_manager.order_by("pk").values_list("category_id", flat=True)
    return np.fromiter(shelves.iterator(), np.int64)


def _clustered(shelves: Any) -> Any:
    """float32 (items, DIMENSION): about a hundred products to a taste, and all of them on one shelf:
    what is alike stands together, as where vectors are learnt with the catalogue's features."""
    rng = np.random.default_rng(11)
    _, shelf = np.unique(shelves, return_inverse=True)
    tastes = max(1, len(shelf) // (100 * (shelf.max() + 1)))
    centres = rng.normal(size=(shelf.max() + 1, tastes, DIMENSION)).astype(np.float32)
    found = centres[shelf, rng.integers(tastes, size=len(shelf))]
    found += 0.4 * rng.standard_normal(found.shape, dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def _run(kind: str) -> Any:
    from reco_plugin.models import Run, RunStatus

    run = Run.objects.create(kind=kind, trainer="made", status=RunStatus.PUBLISHED)
    _activate(run)
    return run


def _activate(run: Any) -> None:
    from reco_plugin.models import ActiveRun

    ActiveRun.objects.create(kind=run.kind, run=run)


def _copy_related(run: Any, items: int) -> None:
    """Every relation of every product, by COPY."""
    from django.db import connection

    rng = np.random.default_rng(13)
    scores = json.dumps(np.linspace(1, 0.02, LISTED).round(4).tolist())
    facts = json.dumps({"shoppers": [9] * LISTED, "support": [9] * LISTED})
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY reco_related (site, run_id, product_id, relation, keys, scores, facts) FROM STDIN"
        ) as stream,
    ):
        for start in range(0, items, CHUNK):
            count = min(CHUNK, items - start)
            near = rng.integers(1, items + 1, size=(count, len(RELATIONS), LISTED)).tolist()
            for row, lists in enumerate(near, start + 1):
                for relation, listed in zip(RELATIONS, lists, strict=True):
                    keys = json.dumps(listed)
                    stream.write_row((run.site, run.pk, row, relation, keys, scores, facts))


def main_process(items: str, speed: str) -> None:
    """Reads words, writes what came of them."""
    connect()
    migrate()
    shop = Shop(int(items), quick=speed == "quick")
    for line in sys.stdin:
        word, number = line.split()
        print(json.dumps(getattr(shop, word)(int(number))), flush=True)


if __name__ == "__main__":
    main_process(*sys.argv[1:])
