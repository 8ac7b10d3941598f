"""Pictures become vectors, once each, whatever happens in between."""

from __future__ import annotations

import numpy as np
import pytest
import seenshop
from seenshop import colour, done
from testapp.models import Product

from reco_plugin.encoders import process
from reco_plugin.encoders.base import Fault, Refused
from reco_plugin.jobs import encode, picture_vectors, visual
from reco_plugin.jobs.publish import active_run, handle
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.shards import help_out
from reco_plugin.models import Neighbours, Outcome, Picture, PictureState, PictureVector, Run
from reco_plugin.testing.wholeness import half_published, left_undone

pytest.importorskip("PIL")


@pytest.fixture
def shop(db, tmp_path, settings, monkeypatch):
    made = seenshop.opened(tmp_path, settings, monkeypatch)
    made.stock()
    return made


def live():
    return active_run(1, "visual")


def near(product, k=5):
    from reco_plugin import backends

    run = live()
    return [one.key for one in backends.store(run.store).neighbours(handle(run), product.pk, k)]


def test_what_looks_alike_is_near(shop):
    encoder = shop.encoder()
    report = done("encode").report
    assert report["encoded"] == 24
    assert report["products"] == 24
    assert PictureVector.objects.count() == 24
    assert {*PictureVector.objects.values_list("encoder", flat=True)} == {
        encoder.dataset["fingerprint"]
    }
    run = live()
    assert run.pk == report["run"]
    assert run.config["encoder"] == encoder.pk
    for product in shop.products:
        assert [colour(key) for key in near(product)] == [colour(product.pk)] * 5
    assert not [*half_published(), *left_undone()]


def test_nothing_is_looked_at_twice(shop):
    shop.encoder()
    first = done("encode").report["run"]
    report = done("encode").report
    assert report["encoded"] == 0
    assert report["run"] == first
    assert report["updated"] == 0
    assert Run.objects.filter(kind="visual").count() == 1


def test_a_picture_that_many_show_is_looked_at_once(shop):
    for product in shop.products[:6]:
        shop.show(product, "red-0.png")
    done("pictures")
    shop.encoder()
    assert done("encode").report["encoded"] == 19
    assert live().dataset["items"] == 24


def test_a_picture_that_changed_is_looked_at_again_and_no_other(shop, settings):
    shop.encoder()
    done("encode")
    red = shop.products[0]
    shop.file("red-0.png", seenshop.picture(30, 30, 199))
    done("pictures")
    assert done("encode").report["encoded"] == 1
    assert colour(near(red)[0]) == "blue"


def test_few_changes_go_into_the_live_run_many_make_a_new_one(shop, monkeypatch):
    monkeypatch.setattr(visual, "SMALL", 10)
    shop.encoder()
    first = done("encode").report["run"]
    done("score")
    shop.file("red-0.png", seenshop.picture(30, 199, 30))
    done("pictures")
    report = done("encode").report
    assert (report["run"], report["updated"]) == (first, 1)
    assert colour(near(shop.products[0])[0]) == "green"
    row = Neighbours.objects.get(run=first, product=shop.products[0])
    assert colour(row.keys[0]) == "green"
    assert done("encode").report["updated"] == 0
    for number in range(4):
        shop.file(f"red-{number}.png", seenshop.picture(30, 30, 210 + number))
    done("pictures")
    assert done("encode").report["run"] != first


def test_a_product_that_lost_its_pictures_leaves_the_run(shop):
    shop.encoder()
    first = done("encode").report["run"]
    shop.show(shop.products[0])
    done("pictures")
    report = done("encode").report
    assert report["run"] != first
    assert report["products"] == 23


def test_another_encoder_makes_a_new_run_and_rolling_back_costs_no_looking(shop):
    import fakeencoder

    old = shop.encoder()
    first = done("encode").report["run"]
    shop.encoder(fakeencoder.weights(3, turned=0.01))
    report = done("encode").report
    assert report["encoded"] == 24
    assert report["run"] != first
    from reco_plugin.jobs.publish import rollback

    rollback(1, "encoder")
    assert active_run(1, "encoder") == old
    report = done("encode").report
    assert report["encoded"] == 0
    assert live().config["fingerprint"] == old.dataset["fingerprint"]


def test_the_gallery_has_a_say(shop):
    shop.show(shop.products[0], "blue-12.png", "red-0.png")
    done("pictures")
    shop.encoder()
    done("encode")
    assert colour(near(shop.products[0])[0]) == "blue"
    shop.show(shop.products[0], "red-0.png", "blue-12.png")
    done("pictures")
    done("encode")
    assert colour(near(shop.products[0])[0]) == "red"


@pytest.mark.parametrize("size", [2, 6, 100])
def test_it_is_split_among_workers(shop, settings, size):
    settings.RECO_SHARD_ITEMS = size
    shop.encoder()
    assert done("encode").report["encoded"] == 24
    assert PictureVector.objects.count() == 24


def test_a_helper_opens_one_process_for_its_session_and_ends_it(shop, settings, monkeypatch):
    settings.RECO_SHARD_ITEMS = 12
    shop.encoder()
    opened, helped = [], []
    started = process.EncoderProcess.__init__

    def start(self, *args, **kwargs):
        started(self, *args, **kwargs)
        opened.append(self)

    def first(work, batch, do, told):
        helped.append(help_out(1))

    monkeypatch.setattr(process.EncoderProcess, "__init__", start)
    monkeypatch.setattr("reco_plugin.jobs.running.shards._work_off", first)
    assert done("encode").report["encoded"] == 24
    assert helped == [4]
    assert len(opened) == 1
    assert opened[0].is_closed


# --- what cannot be looked at --------------------------------------------------------------------


def test_r13_pictures_that_are_refused_are_counted_and_stop_nothing(shop, monkeypatch):
    shop.encoder()
    read, bad = encode.read, {"red-0.png": Fault.KILLER, "red-1.png": Fault.STORAGE}

    def reading(site, rows):
        for row, data in read(site, rows):
            fault = bad.get(row.name)
            yield row, data if fault is None else Refused(fault=fault, words="it is bad")

    monkeypatch.setattr(encode, "read", reading)
    for strikes in (1, 2, 3):
        report = done("encode").report
        assert report["refused"] == {"killer": 1, "storage": 1}
        assert report["products"] == 22
        assert Picture.objects.get(name="red-0.png").strikes == strikes
    row = Picture.objects.get(name="red-0.png")
    assert (row.state, row.reason, row.words) == (PictureState.QUARANTINED, "killer", "it is bad")
    assert Picture.objects.get(name="red-1.png").strikes == 0
    assert done("encode").report["refused"] == {"storage": 1}
    monkeypatch.undo()


def test_an_encoder_that_dies_fails_the_job_and_keeps_what_it_saw(shop, monkeypatch, settings):
    settings.RECO_SHARD_ITEMS = 4
    shop.encoder()
    monkeypatch.setattr(encode, "WRITTEN", 1)
    shop.file("grey-23.png", seenshop.picture(13, 13, 13))
    done("pictures")
    found = execute("encode", 1)
    assert found.outcome == Outcome.FAILED
    assert "killed by SIGSEGV" in found.error
    seen = PictureVector.objects.count()
    assert seen > 0
    assert live() is None
    shop.file("grey-23.png", seenshop.picture(120, 150, 120))
    done("pictures")
    assert done("encode").report["encoded"] == 24 - seen
    assert live() is not None


# --- killed half-way ------------------------------------------------------------------------------


class Killed(BaseException):
    pass


def killed(*_: object) -> None:
    raise Killed


def test_r07_killed_between_a_vector_and_its_list_the_list_is_made(shop, monkeypatch):
    monkeypatch.setattr(visual, "SMALL", 10)
    shop.encoder()
    first = done("encode").report["run"]
    done("score")
    shop.file("red-0.png", seenshop.picture(30, 199, 30))
    done("pictures")
    with monkeypatch.context() as context:
        context.setattr(visual.newcomers, "join", killed)
        with pytest.raises(Killed):
            execute("encode", 1)
    assert done("encode").report["run"] == first
    row = Neighbours.objects.get(run=first, product=shop.products[0])
    assert colour(row.keys[0]) == "green"


def test_r07_killed_after_the_last_picture_what_it_tells_of_newcomers_is_not_forgotten(
    shop, monkeypatch
):
    shop.encoder()
    told: list[int] = []
    monkeypatch.setattr(encode, "give_looks", lambda site: told.append(site) or [])
    with monkeypatch.context() as context:
        context.setattr(visual, "refresh", killed)
        with pytest.raises(Killed):
            execute("encode", 1)
    assert PictureVector.objects.count() == 24
    assert done("encode").report["encoded"] == 0
    assert told == [1]
    done("encode")
    assert told == [1], "once"


def test_there_is_nothing_to_do_without_an_encoder_or_pictures(shop, settings):
    assert "No encoder is live" in done("encode").report["note"]
    shop.encoder()
    Picture.objects.all().delete()
    assert done("encode").report == {
        "encoded": 0,
        "refused": {},
        "products": 0,
        "note": "No picture of a known product could be looked at yet.",
    }
    settings.RECO_ENCODER = ""
    assert "RECO_ENCODER is empty" in done("encode").report["note"]
    assert live() is None


def test_an_artefact_that_is_elsewhere_is_said_to_be(shop, settings, tmp_path):
    shop.encoder()
    settings.RECO_ARTEFACT_DIR = tmp_path / "elsewhere"
    assert "is not on this machine" in done("encode").report["note"]


def test_a_corrupt_weights_file_is_refused_in_words(shop):
    from reco_plugin.jobs.artefacts import artefact_path

    path = artefact_path(shop.encoder())
    path.write_bytes(path.read_bytes()[:-9])
    found = execute("encode", 1)
    assert found.outcome == Outcome.FAILED
    assert "no usable file of weights" in found.error


# --- rows ----------------------------------------------------------------------------------------


def test_two_workers_that_see_the_same_are_no_error(db):
    rows = {name: np.ones(4, np.float16) for name in ("a" * 64, "b" * 64)}
    picture_vectors.write("e" * 64, rows)
    picture_vectors.write("e" * 64, {**rows, "c" * 64: np.zeros(4, np.float16)})
    assert PictureVector.objects.count() == 3


def test_vectors_come_back_as_they_went_in(shop):
    shop.encoder()
    done("encode")
    run = live()
    found = list(picture_vectors.read(1, run.config["fingerprint"]))
    assert len(found) == 24
    for key, _, name, vector in found:
        assert Picture.objects.get(product=key).content_hash == name
        assert np.linalg.norm(vector) == pytest.approx(1, abs=2e-3)
    some = [product.pk for product in shop.products[:3]]
    assert len(list(picture_vectors.read(1, run.config["fingerprint"], some))) == 3


def test_vectors_of_encoders_and_pictures_that_are_gone_are_let_go_of(shop):
    encoder = shop.encoder()
    done("encode")
    picture_vectors.write("0" * 64, {"a" * 64: np.ones(4, np.float16)})
    picture_vectors.write(encoder.dataset["fingerprint"], {"a" * 64: np.ones(4, np.float16)})
    assert done("prune", dry_run=True).report["picture_vectors"] in (2, 3)
    assert PictureVector.objects.count() == 26
    assert done("prune").report["picture_vectors"] == 2
    assert PictureVector.objects.count() == 24


def test_sensitive_products_are_not_shown_for_what_they_look_like(shop, settings):
    settings.RECO_SENSITIVE_CATEGORIES = ["Red"]
    from reco_plugin.jobs.sync_items import sync_items

    sync_items()
    shop.encoder()
    assert done("encode").report["products"] == 18
    assert Product.objects.count() == 24
