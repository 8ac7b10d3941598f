"""The visual run beside the rest of the house: newcomers, lists, whitening, going back, letting go."""

from __future__ import annotations

import fakeencoder
import numpy as np
import pytest
import seenshop
from seenshop import colour, done

from reco_plugin import backends
from reco_plugin.encoders.whitening import Choice, Whitening
from reco_plugin.jobs import arrivals, first_look, stray, visual, visual_blocks
from reco_plugin.jobs.publish import active_run, handle, rollback
from reco_plugin.jobs.running.execute import execute
from reco_plugin.models import Neighbours, Outcome, Run, RunStatus, VectorBlock
from reco_plugin.testing.wholeness import half_published, left_undone

pytest.importorskip("PIL")


@pytest.fixture
def shop(db, tmp_path, settings, monkeypatch):
    made = seenshop.opened(tmp_path, settings, monkeypatch)
    made.stock(each=4)
    made.encoder()
    done("encode")
    return made


def live():
    return active_run(1, "visual")


def vector(product):
    items, vectors = backends.store(live().store).item_vectors(handle(live()))
    return vectors[items.row(product.pk)]


def test_a_new_product_is_seen_within_a_tick_and_has_its_list(shop):
    done("score")
    run = live()
    born = shop.made("blue-born", (30, 35, 200))
    report = done("arrivals").report
    assert (report["added"], report["looks"]) == (1, 1)
    assert live() == run
    row = Neighbours.objects.get(run=run, product=born)
    assert [colour(key) for key in row.keys[:4]] == ["blue"] * 4
    others = Neighbours.objects.filter(run=run, product__in=row.keys[:4])
    assert all(born.pk.hex in other.keys for other in others)
    assert done("encode").report["updated"] == 0


def test_a_new_product_without_a_picture_or_with_a_bad_one_is_welcome_too(shop):
    from testapp.models import Product

    Product.objects.create(label="bare", cents=1)
    shop.file("bad.png", b"no picture")
    Product.objects.create(label="bad", cents=1, facts={"pictures": ["bad.png"]})
    report = done("arrivals").report
    assert (report["added"], report["looks"]) == (2, 0)


def test_newcomers_wait_where_the_encoder_cannot_be_opened(shop, monkeypatch, settings):
    from reco_plugin.jobs.artefacts import artefact_path

    artefact_path(active_run(1, "encoder")).write_bytes(b"spoilt")
    shop.made("blue-born", (30, 35, 200))
    report = done("arrivals").report
    assert report["looks"] == 0
    assert "no usable file of weights" in report["note"]
    assert report["added"] == 1
    assert arrivals.MOST


def test_without_a_visual_run_nothing_is_looked_at(shop, monkeypatch):
    from reco_plugin.models import ActiveRun

    ActiveRun.objects.filter(kind="visual").delete()
    monkeypatch.setattr(first_look, "look_at_pictures", None)
    shop.made("blue-born", (30, 35, 200))
    assert "looks" not in done("arrivals").report


def test_lists_are_asked_for_when_a_run_is_new_and_made_for_both_kinds(shop):
    from reco_plugin.jobs.running.schedule import standing

    assert [one.is_due for one in standing(1) if one.spec.name == "score"] == [True]
    report = done("score").report
    assert report["visual"] == {"run": live().pk, "lists": 16}
    assert Neighbours.objects.filter(run=live()).count() == 16
    assert done("score").report["visual"]["note"] == "Nothing changed since."


def test_whitening_is_kept_beside_the_run_and_used_for_newcomers(shop, monkeypatch):
    random = np.random.default_rng(0)
    whitening = Whitening(
        mean=random.normal(size=fakeencoder.DIMENSION).astype(np.float32),
        matrix=random.normal(size=(fakeencoder.DIMENSION, 5)).astype(np.float32),
    )
    chosen = Choice(whitening=whitening, figures={"pca1": 0.5}, words="Whitened.")
    monkeypatch.setattr(visual, "choose", lambda *args, **kwargs: chosen)
    done("encode", whole=True)
    run = live()
    assert vector(shop.products[0]).shape == (5,)
    found = visual_blocks.read_whitening(run)
    assert np.array_equal(found.matrix, whitening.matrix)
    assert np.array_equal(found.mean, whitening.mean)
    assert run.metrics == {"whitening": {"pca1": 0.5}}
    born = shop.made("red-0b", (200, 30, 30))
    done("arrivals")
    assert vector(born) @ vector(shop.products[0]) == pytest.approx(1, abs=1e-3)


def test_it_is_published_activated_and_rolled_back_like_any_run(shop):
    first = live()
    second = done("encode", whole=True).report["run"]
    assert live().pk == second
    rollback(1, "visual")
    assert live() == first
    assert not [*half_published()]
    not_live = done("encode", whole=True, activate=False).report["run"]
    assert live() == first
    assert Run.objects.get(pk=not_live).status == RunStatus.PUBLISHED


def test_what_lies_beside_a_run_goes_with_it(shop, settings):
    settings.RECO_KEEP_RUNS = 0
    first = live()
    for _ in range(2):
        done("encode", whole=True)
    first.refresh_from_db()
    assert first.status == RunStatus.PRUNED
    assert not VectorBlock.objects.filter(run=first).exists()


def test_r06_killed_between_publishing_and_going_live_it_goes_live(shop, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as context:
        context.setattr("reco_plugin.jobs.making.activate", killed)
        with pytest.raises(Killed):
            execute("encode", 1, options={"whole": True})
    newest = Run.objects.filter(kind="visual").latest("pk")
    assert live() != newest
    assert done("encode", whole=True).report["run"] == newest.pk
    assert live() == newest
    assert not [*left_undone()]


def test_a_store_that_is_away_leaves_what_is_live(shop, monkeypatch):
    from reco_plugin.exceptions import StoreError

    first = live()

    def away(self, *args):
        raise StoreError("it is away")

    monkeypatch.setattr(type(backends.store()), "publish", away)
    found = execute("encode", 1, options={"whole": True})
    assert found.outcome == Outcome.FAILED
    assert live() == first


# --- files ---------------------------------------------------------------------------------------


def test_files_of_encoders_are_known_to_be_ours(tmp_path):
    ours = (
        *("encoder-7.npz", "encoder-7.onnx", "encoder-7.int8.onnx"),
        *("tune-12", "encode-abcd1234", "train-abcd1234"),
    )
    assert all(stray.is_ours(tmp_path / name) for name in ours)
    others = ("encoder.onnx", "tune-", "tune-x", "model-7.onnx.bak", "encode-1")
    assert not any(stray.is_ours(tmp_path / name) for name in others)


def test_files_that_no_run_names_go_and_those_beside_a_run_stay(shop, tmp_path):
    import os

    run = active_run(1, "encoder")
    failed = Run.objects.create(kind="encoder", trainer="x", status=RunStatus.FAILED)
    folder = tmp_path / "artefacts"
    for number in (run.pk, failed.pk):
        (folder / f"encoder-{number}.onnx").write_bytes(b"x")
    (folder / "tune-99").mkdir()
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    assert stray.remove() == [f"encoder-{failed.pk}.onnx", "tune-99"]
    assert (folder / f"encoder-{run.pk}.onnx").exists()
    assert (folder / run.artefact).exists()
