"""Jobs that look at pictures, and the comparison, killed (SIGKILL) as they enter each of their stages, and taken over.

`python -m benchmarks crash` does the same at any moment, and waits as a worker does until the holder has fallen
silent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

import fakeencoder
import numpy as np
import pytest
import seenshop
import visualshop
from django.db import connection
from django.db.models.functions import Now
from jobs_shop import history, products
from testapp.models import StockRecord

from reco_plugin import backends
from reco_plugin.children.voice import Voice
from reco_plugin.encoders import process, teaching
from reco_plugin.evaluation import entrants
from reco_plugin.evaluation import process as measuring
from reco_plugin.evaluation.measuring import Answers, Question, answers
from reco_plugin.jobs import fine_tune, labelling
from reco_plugin.jobs.catalogue_map import SPACE
from reco_plugin.jobs.neighbours import Directions
from reco_plugin.jobs.publish import active_run, handle
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.lease import silence
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.jobs.visual_blocks import read_signs, signs
from reco_plugin.models import (
    Item,
    Job,
    Outcome,
    Picture,
    PictureVector,
    Run,
    RunStatus,
    Suggestion,
    VectorBlock,
)
from reco_plugin.testing.killing import killed_at, orphans, points_of
from reco_plugin.testing.wholeness import half_published, left_undone

PATIENCE = 60.0
"""Seconds that a child of a killed process may take to notice, on a busy machine."""

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="processes share a PostgreSQL"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process"),
]


@dataclass(frozen=True, kw_only=True)
class Story:
    """A job, what gives it something to do, and what it must have left."""

    name: str
    stir: Callable[[], object]
    check: Callable[[], object]
    stages: int
    """At the least, that it passes."""
    options: Mapping[str, Any] = field(default_factory=dict)


Place: TypeAlias = tuple[Any, Any, Any]
"""The fixtures tmp_path, settings and monkeypatch."""


def painted(place: Place) -> tuple[seenshop.Shop, Callable[[], None]]:
    """A shop of 16 pictures, and what puts another in the place of one."""
    shop = seenshop.opened(*place).stock(each=4)
    turns = iter(range(1, 50))

    def repaint() -> None:
        turn = next(turns)
        (name,) = shop.products[turn % 16].facts["pictures"]
        shop.file(name, seenshop.picture(30, 199, turn))

    return shop, repaint


def read_again(shop: seenshop.Shop) -> None:
    """As the job pictures does."""
    for product in shop.products:
        row = shop.read(product)
        known = Picture.objects.filter(product=product)
        known.update(content_hash=row.content_hash, marker=row.marker)


def of_pictures(place: Place) -> Story:
    shop, repaint = painted(place)

    def check() -> None:
        told = Picture.objects.values_list("product_id", "content_hash")
        assert sorted(told) == sorted(
            (one.pk, shop.read(one).content_hash) for one in shop.products
        )

    return Story(name="pictures", stir=repaint, check=check, stages=2)


def of_fine_tune(place: Place) -> Story:
    shop, _ = painted(place)
    place[2].setattr(fine_tune, "FEWEST", 10)
    place[2].setattr(labelling, "FEW", 4)
    place[2].setattr(process, "train", taught)

    def stir() -> None:
        shop.encoder(fakeencoder.weights(blind=True))
        Run.objects.filter(kind="encoder").update(config={})  # none is like the one to be taught

    def check() -> None:
        run = active_run(1, "encoder")
        assert run is not None
        assert run.dataset["fingerprint"] == fakeencoder.weights().fingerprint
        assert not fine_tune.place_of(run).exists()

    return Story(name="fine_tune", stir=stir, check=check, stages=7)


def taught(task: teaching.Task, *, progress: Any, memory_mb: int, **_: Any) -> dict[str, Any]:
    """Here and now: in a process of its own it is killed by the benchmark."""
    job = {**task.as_job(), "memory_mb": memory_mb}
    return teaching.train(Path(task.place), job, cast("Voice", SimpleNamespace(progress=progress)))


def of_encode(place: Place) -> Story:
    shop, repaint = painted(place)
    encoder = shop.encoder().dataset["fingerprint"]
    stirred: list[int] = []

    def stir() -> None:
        """New pictures for the stages about new ones, the first and the last; else two change places."""
        if len(stirred) in {0, 1, 8}:
            repaint()
            read_again(shop)
        else:
            one, other = Picture.objects.order_by("pk")[:2]
            one.content_hash, other.content_hash = other.content_hash, one.content_hash
            Picture.objects.bulk_update([one, other], ["content_hash"])
        stirred.append(1)

    def check() -> None:
        run = active_run(1, "visual")
        assert run is not None
        seen = PictureVector.objects.filter(encoder=encoder)
        assert seenshop.hashes() <= set(seen.values_list("content_hash", flat=True))
        assert read_signs(run) == signs(1, encoder)
        items, _ = backends.store(run.store).item_vectors(handle(run))
        assert sorted(items.to_python()) == sorted(one.pk for one in shop.products)

    return Story(name="encode", stir=stir, check=check, stages=8)


def shown(place: Place) -> Callable[[], None]:
    """Products that look like four sorts, and what gives them another visual run."""
    place[1].RECO_ENCODER = fakeencoder.NAME
    made = visualshop.products(120)
    rows = Item.objects.in_bulk([one.pk for one in made])
    for number, product in enumerate(made):  # a database hands out rows in any order
        item = rows[product.pk]
        item.brand = "" if number % 10 == 0 else f"Maker {number // 30}"
        item.save()
    turns = iter(range(1, 50))

    def stir() -> None:
        run = visualshop.publish(
            made, visualshop.groups(4, 30, seed=next(turns)), dataset={"items": 120}
        )
        Run.objects.filter(kind="visual", pk__lt=run.pk).update(status=RunStatus.PRUNED)

    return stir


def of_catalogue_map(place: Place) -> Story:
    stir = shown(place)

    def check() -> None:
        run = active_run(1, "visual")
        assert run is not None
        space = Directions.of(run)
        assert space is not None
        assert len(VectorBlock.objects.get(run=run, space=SPACE).keys) == len(space) == 120
        assert run.config[SPACE]["fingerprint"] == space.fingerprint

    return Story(name="catalogue_map", stir=stir, check=check, stages=3)


def of_suggest(place: Place) -> Story:
    stir = shown(place)

    def check() -> None:
        told = dict(Suggestion.objects.values_list("product_id", "value"))
        assert Suggestion.objects.count() == len(told) == 12
        assert set(told) == set(Item.objects.filter(brand="").values_list("pk", flat=True))
        by_maker = np.unique(list(told.values()), return_counts=True)[1]
        assert by_maker.tolist() == [3, 3, 3, 3]

    return Story(name="suggest", stir=stir, check=check, stages=4)


def of_compare(place: Place) -> Story:
    place[1].RECO_ARTEFACT_DIR = str(place[0])
    place[2].setattr(measuring, "answers", answered)
    catalogue = products()
    StockRecord.objects.bulk_create([StockRecord(product=one, count=5) for one in catalogue])
    sync_items()
    history(catalogue)
    options = {"models": ["popularity"], "peers": False, "limit_shoppers": 20}

    def check() -> None:
        told = Run.objects.filter(kind="comparison").latest("pk").metrics["models"]
        assert [line["name"] for line in told] == ["popularity"]

    return Story(name="compare", stir=lambda: None, check=check, stages=3, options=options)


def answered(name: str, question: Question, place: Path, **_: Any) -> Answers:
    """Here and now, too."""
    return answers(entrants.model(name, question), question)


OPENS = pytest.mark.skipif(find_spec("PIL") is None, reason="opens pictures")
STORIES = (
    *(pytest.param(story, marks=OPENS) for story in (of_pictures, of_fine_tune, of_encode)),
    of_catalogue_map,
    of_suggest,
    of_compare,
)


@pytest.fixture
def story(request, tmp_path, settings, monkeypatch) -> Iterator[Story]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    yield request.param((tmp_path, settings, monkeypatch))
    for run in Run.objects.exclude(store=""):
        backends.store(run.store).drop(handle(run))


@pytest.mark.parametrize("story", STORIES, indirect=True, ids=lambda made: made.__name__)
def test_r07_a_job_killed_at_any_stage_is_taken_over_and_completes(story: Story) -> None:
    def work() -> Any:
        return execute(story.name, options=story.options)

    story.stir()
    points = [point for point in points_of(work) if point.edge == "entered"]
    assert len(points) >= story.stages
    story.check()
    for point in points:
        story.stir()
        with orphans() as left:
            assert killed_at(point, work)
        assert left(PATIENCE) == []
        assert Job.objects.get(name=story.name).stage == point.stage
        assert list(half_published()) == []
        take_over(story)
        story.check()


def take_over(story: Story) -> None:
    """As soon as the holder counts as dead."""
    Job.objects.filter(name=story.name).update(beat_at=Now() - 2 * silence())
    found = execute(story.name, only_if_due=True, options=story.options)
    assert (found.outcome, found.error) == (Outcome.DONE, "")
    row = Job.objects.get(name=story.name)
    assert (row.token, row.checkpoint) == (None, {})
    assert [*half_published(), *left_undone()] == []
