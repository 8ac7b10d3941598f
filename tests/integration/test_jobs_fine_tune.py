"""An encoder is taught when it is time, judged, and made live or kept to see why not."""

from __future__ import annotations

import datetime as dt

import fakeencoder
import numpy as np
import pytest
import seenshop
from django.utils import timezone
from seenshop import done

from reco_plugin.encoders import packing, teaching
from reco_plugin.encoders.base import Fault, Refused
from reco_plugin.encoders.weights import load, save
from reco_plugin.jobs import artefacts, decisions, fine_tune, labelling, lesson, prune
from reco_plugin.jobs.fine_tune import fine_tune as teach
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.execute import execute
from reco_plugin.models import Item, Outcome, Picture, PictureVector, Related, Run, RunStatus
from reco_plugin.signals import job_stage_entered
from reco_plugin.testing.wholeness import half_published, left_undone

pytest.importorskip("PIL")


@pytest.fixture
def shop(db, tmp_path, settings, monkeypatch):
    made = seenshop.opened(tmp_path, settings, monkeypatch)
    made.stock(each=4)
    monkeypatch.setattr(fine_tune, "FEWEST", 10)
    monkeypatch.setattr(labelling, "FEW", 4)
    return made


def live():
    return active_run(1, "encoder")


def files(tmp_path):
    return sorted(path.name for path in (tmp_path / "artefacts").iterdir())


def test_it_is_taught_judged_and_made_live(shop, tmp_path):
    report = done("fine_tune").report
    run = live()
    assert report == {"run": run.pk, "kind": "encoder", "status": "published"}
    assert files(tmp_path) == [f"encoder-{run.pk}.npz", f"encoder-{run.pk}.onnx"]
    weights = load(tmp_path / "artefacts" / run.artefact, run.sha256)
    assert run.dataset["fingerprint"] == weights.fingerprint
    assert run.dataset["pictures"] == run.dataset["products"] == 16
    assert run.dataset["attributes"] == {"category": 4}
    assert run.config["onnx"]["best"] == "fp32"
    (gate,) = run.gates
    assert (gate["passed"], gate["value"], gate["limit"]) == (True, 0.5, 0.1)
    assert "0.5000 beside 0.1000, that of what it started from" in gate["words"]
    assert not [*half_published(), *left_undone()]


def test_with_nothing_to_learn_it_is_what_it_starts_from_or_nothing(shop, settings, monkeypatch):
    monkeypatch.setattr(labelling, "FEW", 100)
    assert "Nothing is known of the products to learn from" in execute("fine_tune", 1).error
    begun = fakeencoder.weights(4)
    settings.RECO_ENCODER_WEIGHTS = str(artefacts.folder() / "start.npz")
    save(settings.RECO_ENCODER_WEIGHTS, begun)
    assert done("fine_tune").report["status"] == "published"
    assert live().dataset["fingerprint"] == begun.fingerprint
    assert live().gates[0]["passed"] is None


def test_what_the_shop_says_of_its_products_is_the_lesson(shop, monkeypatch, tmp_path):
    heard = []

    def train(task, **options):
        found = packing.load_lesson(
            shop_place(tmp_path) / teaching.LESSON,
            task.sha256,
            shop_place(tmp_path) / teaching.PICTURES,
        )
        heard.append((task, found, np.array(found.pictures)))
        raise RuntimeError("that is all")

    monkeypatch.setattr(fine_tune.process, "train", train)
    execute("fine_tune", 1)
    task, found, pictures = heard[0]
    assert task.encoder == fakeencoder.NAME
    assert pictures.shape == (16, 16, 16, 3)
    assert found.classes == {"category": ("Blue", "Green", "Grey", "Red")}
    colours = [
        seenshop.COLOURS[found.classes["category"][code]] for code in found.labels["category"]
    ]
    seen = pictures[:, 8, 8].astype(int)
    assert np.abs(seen - np.asarray(colours)).max() < 10
    assert len(set(found.products.tolist())) == 16


def shop_place(tmp_path):
    (found,) = (tmp_path / "artefacts").glob("tune-*")
    return found


def test_one_that_is_no_better_is_rejected_with_the_figures(shop, settings, tmp_path):
    settings.RECO_ENCODER_CONFIG = {"start": 0.6}
    report = done("fine_tune").report
    assert report["status"] == "rejected"
    assert "0.5000 beside 0.6000" in report["rejected"][0]
    assert live() is None
    assert files(tmp_path)[0].startswith("encoder-")


def test_one_that_was_rejected_looks_at_pictures_once_somebody_says_why(shop, settings):
    settings.RECO_ENCODER_CONFIG = {"start": 0.6}
    run = Run.objects.get(pk=done("fine_tune").report["run"])
    decisions.overrule(run, by="me", why="it tells our colours apart")
    assert live() == run
    assert not [*half_published(), *left_undone()]
    done("encode")
    assert {*PictureVector.objects.values_list("encoder", flat=True)} == {
        run.dataset["fingerprint"]
    }
    assert active_run(1, "visual").config["encoder"] == run.pk


def test_a_good_start_is_taken_as_it_is_where_nothing_better_was_taught(shop, settings):
    begun = fakeencoder.weights(3)
    settings.RECO_ENCODER_WEIGHTS = str(artefacts.folder() / "start.npz")
    save(settings.RECO_ENCODER_WEIGHTS, begun)
    settings.RECO_ENCODER_CONFIG = {"start": 0.6}
    assert done("fine_tune").report["status"] == "published"
    run = live()
    assert run.dataset["fingerprint"] == begun.fingerprint
    assert "(0.5000)" in run.gates[0]["words"]
    assert "taken as it is" in run.gates[0]["words"]
    assert teach()["status"] == "rejected", "from now on it must be better than what is live"
    assert live() == run


def test_a_later_one_must_be_better_than_what_is_live(shop, settings, monkeypatch):
    shop.encoder(fakeencoder.weights(blind=True))
    worse = live()
    report = teach()
    assert report["status"] == "published"
    better = live()
    assert better != worse
    assert "the live encoder's" in better.gates[0]["words"]
    settings.RECO_ENCODER_CONFIG = {"blind": True}
    assert teach()["status"] == "rejected"
    assert live() == better


def test_what_is_live_is_judged_by_the_kind_that_taught_it(shop, settings):
    shop.encoder(fakeencoder.weights(blind=True))
    settings.RECO_ENCODER = "fakeencoder.Strange"
    assert teach()["status"] == "published"
    assert live().trainer == "fakeencoder.Strange"
    assert "the live encoder's" in live().gates[0]["words"]


def test_it_is_not_taught_again_before_its_time_or_without_news(shop, settings):
    first = done("fine_tune").report["run"]
    assert "less than 7 days ago" in done("fine_tune").report["note"]
    Run.objects.update(created_at=timezone.now() - dt.timedelta(days=8))
    assert "0.0% of the pictures are new" in done("fine_tune").report["note"]
    for number in range(3):
        shop.file(f"red-{number}.png", seenshop.picture(1, 2, number))
    done("pictures")
    assert done("fine_tune").report["run"] != first
    settings.RECO_ENCODER_CONFIG = {"start": 0.2}
    assert "run" in done("fine_tune").report, "other settings, another encoder"


def test_a_failed_one_is_tried_again_a_day_later(shop, settings):
    settings.RECO_ENCODER_CONFIG = {"dies": True}
    found = execute("fine_tune", 1)
    assert found.outcome == Outcome.FAILED
    assert "The training process was killed by SIGKILL" in found.error
    run = Run.objects.get(pk=found.report["run"])
    assert (run.status, live()) == (RunStatus.FAILED, None)
    assert fine_tune.place_of(run).is_dir()


def test_a_killed_one_goes_on_with_what_was_packed(shop, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as context:
        context.setattr(fine_tune.process, "train", killed)
        with pytest.raises(Killed):
            execute("fine_tune", 1)
    packed, pack = [], lesson.pack
    monkeypatch.setattr(lesson, "pack", lambda *args: packed.append(args) or pack(*args))
    report = done("fine_tune").report
    assert report["status"] == "published"
    assert not packed
    assert Run.objects.filter(kind="encoder").count() == 1


def test_r07_of_one_that_was_rejected_and_killed_nothing_is_left(shop, settings, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(stage: str, **_: object) -> None:
        if stage == "tidy":
            raise Killed

    settings.RECO_ENCODER_CONFIG = {"start": 0.6}
    job_stage_entered.connect(killed)
    try:
        with pytest.raises(Killed):
            execute("fine_tune", 1)
    finally:
        job_stage_entered.disconnect(killed)
    run = Run.objects.get(kind="encoder")
    assert run.status == RunStatus.REJECTED
    assert fine_tune.place_of(run).is_dir()
    assert done("fine_tune").report["run"] == run.pk
    run.refresh_from_db()
    assert (run.status, live()) == (RunStatus.REJECTED, None)
    assert not fine_tune.place_of(run).exists()


def test_pictures_that_cannot_be_opened_are_left_out(shop, monkeypatch):
    read = lesson.read

    def reading(site, rows):
        for row, data in read(site, rows):
            is_bad = row.name == "red-0.png"
            yield row, Refused(fault=Fault.KILLER, words="bad") if is_bad else data

    monkeypatch.setattr(lesson, "read", reading)
    run = Run.objects.get(pk=done("fine_tune").report["run"])
    assert run.dataset["pictures"] == 15


def test_it_says_why_it_has_nothing_to_do(shop, settings, monkeypatch):
    monkeypatch.setattr(fine_tune, "FEWEST", 17)
    assert "16 products have a picture" in done("fine_tune").report["note"]
    settings.RECO_ENCODER = "resnet19"
    assert "Did you mean 'resnet1" in done("fine_tune").report["note"]
    settings.RECO_ENCODER = ""
    assert "RECO_ENCODER is empty" in done("fine_tune").report["note"]
    settings.RECO_ENCODER = "resnet18"
    monkeypatch.setattr("reco_plugin.encoders.torches.is_installed", lambda: False)
    assert "pip install 'django-reco-plugin[images]'" in done("fine_tune").report["note"]
    assert not Run.objects.filter(kind="encoder").exists()


def test_from_teaching_to_neighbours_and_letting_go(shop, settings, tmp_path):
    settings.RECO_KEEP_RUNS = 0
    for _ in range(3):
        teach(seed=len(Run.objects.filter(kind="encoder")))
        live().gates[0]["passed"] = True
        done("encode")
    done("score")
    kept = {run.artefact for run in Run.objects.filter(kind="encoder").exclude(artefact="")}
    assert {name for name in files(tmp_path) if name.endswith(".npz")} == kept
    assert active_run(1, "visual").config["neighbours"]["items"] == 16
    done("prune")
    living = {
        run.dataset["fingerprint"]
        for run in Run.objects.filter(kind="encoder").exclude(artefact="")
    }
    assert {*PictureVector.objects.values_list("encoder", flat=True)} <= living


# --- what is learnt from -------------------------------------------------------------------------


def test_each_content_once_and_variants_are_one_product(shop):
    shop.show(shop.products[1], "red-0.png")
    Item.objects.filter(pk=shop.products[2].pk).update(group_id=shop.products[3].pk)
    done("pictures")
    found = lesson.Material.gathered(1)
    assert len(found.rows) == len({row.content_hash for row in found.rows}) == 15
    number = dict(zip(found.keys, found.numbers.tolist(), strict=True))
    assert number[shop.products[2].pk] == number[shop.products[3].pk]
    assert len(set(number.values())) == 14


def test_of_too_many_pictures_bought_products_come_first(shop, monkeypatch):
    monkeypatch.setattr(lesson, "MOST", 3)
    behaviour(shop, "bought_together", {9: [1], 5: [2]})
    found = lesson.Material.gathered(1)
    assert len(found.rows) == 3
    assert {shop.products[9].pk, shop.products[5].pk} <= {*found.keys}


def test_pairs_of_what_shoppers_saw_and_bought(shop, monkeypatch):
    run = behaviour(shop, "viewed_viewed", {0: [5, 1]})
    behaviour(shop, "bought_together", {4: [5, 0]}, run)
    found = lesson.Material.gathered(1)
    number = dict(zip(found.keys, found.numbers.tolist(), strict=True))
    made = {frozenset(pair) for pair in lesson.pairs(found).tolist()}
    expected = [(0, 5), (0, 1), (4, 5)]
    assert made == {frozenset(number[shop.products[at].pk] for at in pair) for pair in expected}, (
        "what is bought together and of different categories does not look alike"
    )


def behaviour(shop, relation, lists, run=None):
    from reco_plugin.jobs.publish import activate

    if run is None:
        run = Run.objects.create(kind="behaviour", trainer="x", status=RunStatus.PUBLISHED)
        activate(run)
    for one, others in lists.items():
        keys = [shop.products[other].pk.hex for other in others]
        Related.objects.create(
            run=run,
            product=shop.products[one],
            relation=relation,
            keys=keys,
            scores=[1.0] * len(keys),
        )
    return run


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [([], [], 0.0), (["a"], ["a"], 0.0), (["a"], ["b"], 1.0), (["a", "b"], ["b", "c"], 2 / 3)],
)
def test_how_much_is_new(before, now, expected):
    assert lesson.changed(before, now) == pytest.approx(expected)


def test_large_sets_are_told_apart_by_their_sketches():
    words = sorted(f"{number * 2654435761 % 2**32:08x}" for number in range(5_000))
    random = np.random.default_rng(0)
    kept = [word for word in words if random.random() < 0.9]
    sketch = lesson.SKETCH
    assert lesson.changed(words[:sketch], kept[:sketch]) == pytest.approx(0.1, abs=0.05)


# --- what lies about -----------------------------------------------------------------------------


def test_encoders_that_a_live_visual_run_is_made_of_are_kept(shop, settings):
    settings.RECO_KEEP_RUNS = 0
    first = shop.encoder()
    done("encode")
    shop.encoder(fakeencoder.weights(5, turned=0.1))
    shop.encoder(fakeencoder.weights(6, turned=0.1))
    prune.prune(1, "encoder")
    first.refresh_from_db()
    assert (first.status, artefacts.artefact_path(first).is_file()) == (RunStatus.PUBLISHED, True)
    assert Picture.objects.exists()


def test_files_of_a_pruned_encoder_go_with_it(shop, settings, tmp_path):
    settings.RECO_KEEP_RUNS = 0
    teach()
    first = live()
    for seed in (1, 2):
        shop.encoder(fakeencoder.weights(seed, turned=0.1))
    prune.prune(1, "encoder")
    first.refresh_from_db()
    assert first.status == RunStatus.PRUNED
    assert not [name for name in files(tmp_path) if name.startswith(f"encoder-{first.pk}.")]
