"""How a live run did afterwards, and whether its index still finds what there is."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from jobs_shop import LABELS, event, history, products
from testapp.models import Product

from reco_plugin import backends, clock
from reco_plugin.exceptions import NotPublished
from reco_plugin.jobs import hindsight, rechecking
from reco_plugin.jobs.hindsight import measure
from reco_plugin.jobs.publish import activate, handle, publish
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Interaction, Job, Outcome, Run, RunStatus
from reco_plugin.signals import job_stage_entered
from reco_plugin.stores.base import Vectors
from reco_plugin.types import id_map

pytestmark = pytest.mark.django_db

DIMENSION = len(LABELS)


@pytest.fixture(autouse=True)
def place(settings, tmp_path) -> None:
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_STORE = "numpy"


@pytest.fixture
def catalogue() -> list[Product]:
    made = products()
    sync_items()
    return made


def ago(days: float) -> dt.datetime:
    return clock.now() - dt.timedelta(days=days)


def live(catalogue: list[Product], days: float = 10, *, wrong: bool = False) -> Run:
    """A run that knows (or takes one for another) the category of every product, trained days ago."""
    each = len(catalogue) // len(LABELS)
    random = np.random.default_rng(1)
    own = np.repeat(np.arange(DIMENSION), each)
    if wrong:
        own = random.permutation(own)
    vectors = np.eye(DIMENSION, dtype=np.float32)[own]
    vectors += 0.01 * random.normal(size=vectors.shape).astype(np.float32)
    run = Run.objects.create(kind="personal", trainer="t", config={"recency": 0.9})
    shoppers = [uuid.UUID(int=1)]
    publish(
        run,
        Vectors(
            items=id_map([product.pk for product in catalogue]),
            item_vectors=vectors.astype(np.float32),
            item_biases=np.zeros(len(catalogue), np.float32),
            shoppers=id_map(shoppers),
            shopper_vectors=np.ones((1, DIMENSION), np.float32),
        ),
    )
    run.dataset = {"norm": 1.0}
    run.finished_at = ago(days)
    run.save()
    Run.objects.filter(pk=run.pk).update(created_at=ago(days + 0.1))
    run.refresh_from_db()
    activate(run)
    return run


def test_a_run_that_knows_tastes_beats_popularity_on_what_came_after(catalogue):
    history(catalogue)
    run = live(catalogue)
    told = measure(1)
    entry = told["since"]
    assert told["run"] == run.pk
    assert entry["enough"]
    assert entry["served"]["ndcg@10"]["low"] > entry["popularity"]["ndcg@10"]["high"]
    assert entry["known"] == entry["shoppers"] >= hindsight.FEWEST
    run.refresh_from_db()
    assert run.metrics["since"] == [entry]
    json.dumps(told)


def test_a_run_that_knows_nothing_is_seen_through(catalogue):
    history(catalogue)
    live(catalogue, wrong=True)
    entry = measure(1)["since"]
    assert entry["difference"] < 3 * entry["error"]
    assert entry["served"]["ndcg@10"]["mean"] < 0.3


def test_too_little_is_said_and_not_kept(catalogue):
    history(catalogue, shoppers=10)
    run = live(catalogue)
    entry = measure(1)["since"]
    assert not entry["enough"]
    assert "Too little happened yet" in entry["words"]
    assert "25 are needed" in entry["words"]
    run.refresh_from_db()
    assert "since" not in run.metrics


def test_r11_whoever_was_taken_over_keeps_nothing(catalogue):
    """Else a period would be judged twice: by it, and by whoever went on."""

    def overtaken(**_: Any) -> None:
        Job.objects.update(token=uuid.uuid4())

    history(catalogue)
    run = live(catalogue)
    job_stage_entered.connect(overtaken)
    try:
        assert execute("evaluate").outcome == Outcome.TAKEN_OVER
    finally:
        job_stage_entered.disconnect(overtaken)
    run.refresh_from_db()
    assert "since" not in run.metrics


def test_nothing_at_all_is_too_little_too(catalogue):
    live(catalogue, days=0)
    assert measure(1)["since"]["events"] == 0


def test_each_period_begins_where_the_last_ended(catalogue):
    people = history(catalogue)
    run = live(catalogue)
    first = measure(1)["since"]
    assert not measure(1)["since"]["enough"]
    run.refresh_from_db()
    assert run.metrics["since"] == [first]
    moment = clock.now()
    Interaction.objects.bulk_create(
        [
            event(catalogue[(7 * number) % 60], shopper, occurred_at=moment)
            for number, shopper in enumerate(people)
        ]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hindsight.clock, "now", lambda: moment + dt.timedelta(minutes=1))
        second = measure(1)["since"]
    assert second["from"] == first["at"]
    assert second["events"] <= len(people)
    run.refresh_from_db()
    assert run.metrics["since"][0] == first


def test_what_was_met_before_is_neither_shown_nor_looked_for(catalogue):
    run = live(catalogue)
    shopper = uuid.uuid4()
    before = [event(catalogue[n], shopper, occurred_at=ago(20)) for n in range(6)]
    after = [event(catalogue[n], shopper, occurred_at=ago(1)) for n in (0, 1, 8)]
    Interaction.objects.bulk_create([*before, *after])
    start, end = ago(10), clock.now()
    period = hindsight.Period(
        start=start, end=end, log=hindsight.read_log(1, since=start, until=end)
    )
    (asked,) = hindsight._asked(run, period, None)
    keys = period.log.items.to_python()
    assert {keys[row] for row in asked.wanted} == {catalogue[8].pk}
    seen = {catalogue[n].pk for n in range(6)}
    assert not seen & {keys[row] for row in asked.served}
    assert {keys[row] for row in asked.served[:6]} == {catalogue[n].pk for n in range(6, 12)}


def test_only_a_published_run_can_be_judged(catalogue):
    with pytest.raises(NotPublished, match="No personal run of site 1 is live"):
        measure(1)
    other = Run.objects.create(kind="personal", trainer="t", status=RunStatus.REJECTED)
    with pytest.raises(NotPublished, match="no published"):
        measure(1, run=other.pk)


def test_the_command_tells_and_its_status_too(catalogue):
    with pytest.raises(CommandError, match="Not judged"):
        call_command("reco_evaluate")
    history(catalogue)
    run = live(catalogue)
    out = StringIO()
    call_command("reco_evaluate", "--no-progress", stdout=out)
    assert f"Run {run.pk}" in out.getvalue()
    assert "beside popularity's" in out.getvalue()
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reco_evaluate", "--json", "--run", str(run.pk), stdout=out)
    assert ended.value.code == 3
    assert json.loads(out.getvalue())["since"]["enough"] is False


def test_as_a_job_without_a_live_run_it_has_nothing_to_do():
    from reco_plugin.jobs.running.execute import execute

    done = execute("evaluate", 1)
    assert (done.outcome, done.report["run"]) == ("done", None)


# --- the nightly probe ---------------------------------------------------------------------------


@pytest.fixture
def indexed(settings, catalogue) -> Run:
    if connection.vendor != "postgresql":
        pytest.skip("indexes are pgvector's")
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    settings.RECO_STORE, settings.RECO_EXACT_ROWS = "pgvector", 10
    random = np.random.default_rng(2)
    run = Run.objects.create(kind="personal", trainer="t")
    publish(
        run,
        Vectors(
            items=id_map([uuid.UUID(int=n + 1) for n in range(400)]),
            item_vectors=random.normal(size=(400, 8)).astype(np.float32),
            item_biases=np.zeros(400, np.float32),
            shoppers=id_map([uuid.uuid4() for _ in range(40)]),
            shopper_vectors=random.normal(size=(40, 8)).astype(np.float32),
        ),
    )
    activate(run)
    assert run.store_state["nearest"]["index"] == "hnsw"
    return run


def test_r21_a_good_index_is_left_as_it_is(indexed):
    before = dict(indexed.store_state)
    found = rechecking.recheck(indexed)
    assert set(found) == {"nearest", "neighbours"}
    assert all(each["recall"] >= 0.95 for each in found.values())
    indexed.refresh_from_db()
    assert indexed.store_state == before


def index_names(run: Run) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = %s ORDER BY 1",
            [run.store_state["items"]],
        )
        return [name for (name,) in cursor.fetchall()]


def worn(monkeypatch: pytest.MonkeyPatch, figures: list[float]) -> None:
    """The next probes give these figures, one after another; the last again and again."""
    from reco_plugin.stores.pgvector.recheck import Recheck

    left = list(figures)

    def recall(self: Any, ef: int) -> float:
        if self.space != "nearest":
            return 1.0
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(Recheck, "recall", recall)


def test_r21_a_worn_index_is_searched_more_widely(indexed, monkeypatch):
    worn(monkeypatch, [0.8, 0.97])
    ef = indexed.store_state["nearest"]["ef_search"]
    found = rechecking.recheck(indexed)["nearest"]
    assert found["recall"] == 0.8
    assert f"ef_search was raised to {2 * ef}" in found["words"]
    indexed.refresh_from_db()
    assert indexed.store_state["nearest"]["ef_search"] == 2 * ef
    assert indexed.store_state["nearest"]["recall"] == 0.97


def test_r21_an_index_that_is_beyond_that_is_built_anew(indexed, monkeypatch):
    names = index_names(indexed)
    worn(monkeypatch, [0.5, 0.5, 0.5, 0.5, 0.5, 0.99])
    monkeypatch.setattr("reco_plugin.stores.pgvector.probe.MAX_EF_SEARCH", 800)
    found = rechecking.recheck(indexed)["nearest"]
    assert "built anew" in found["words"]
    assert index_names(indexed) == names
    store = backends.store()
    assert len(store.nearest(handle(indexed), np.ones(8, np.float32), 10)) == 10


def test_r21_what_nothing_helps_is_scanned_exactly(indexed, monkeypatch):
    worn(monkeypatch, [0.5])
    found = rechecking.recheck(indexed)["nearest"]
    assert "scanned exactly" in found["words"]
    indexed.refresh_from_db()
    assert indexed.store_state["nearest"]["index"] == "exact"
    store = backends.store()
    vector = np.ones(8, np.float32)
    assert len(store.nearest(handle(indexed), vector, 10)) == 10


def test_r21_what_the_index_does_not_find_is_noticed(indexed, monkeypatch):
    from reco_plugin.stores.pgvector import recheck

    fetch = recheck.queries.fetch

    def forgetful(database: str, statement: Any, plan: Any, rows: int) -> list[Any]:
        found = fetch(database, statement, plan, rows)
        return found if plan.kind is None else found[::2]

    monkeypatch.setattr(recheck.queries, "fetch", forgetful)
    for space in ("nearest", "neighbours"):
        assert recheck.Recheck("default", handle(indexed), space).recall(100) == 0.5
