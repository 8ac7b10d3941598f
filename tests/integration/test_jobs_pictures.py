"""Which pictures there are, what changed, and what can be opened."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pictureshop import Counting, PictureCatalog, Raising, Shop, picture
from testapp.models import Product

from reco_plugin import backends, clock
from reco_plugin.catalog import fetching
from reco_plugin.encoders import decoding
from reco_plugin.encoders.base import Fault, Refused
from reco_plugin.jobs import picture_files, picture_rows, pictures
from reco_plugin.jobs.running.lease import take
from reco_plugin.jobs.running.work import Work
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Item, Picture, PictureState

pytest.importorskip("PIL")
pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path)
    monkeypatch.setattr(backends, "catalog", shop.catalog)
    return shop


def later(**ago: float) -> None:
    """All pictures were looked at that long ago."""
    Picture.objects.update(looked_at=clock.now() - dt.timedelta(**ago))


def test_the_pictures_of_a_product_are_read_and_opened(shop: Shop):
    shop.file("main.png", picture(1))
    shop.file("side/a.jpg", picture(2, form="JPEG"))
    shop.file("side/b.webp", picture(3, form="WEBP"))
    product = shop.product("main.png", "side/a.jpg", "side/b.webp")
    report = shop.look()
    assert (report.products, report.pictures, report.added, report.refused) == (1, 3, 3, {})
    rows = list(Picture.objects.filter(product=product).order_by("position"))
    assert [row.name for row in rows] == ["main.png", "side/a.jpg", "side/b.webp"]
    assert {row.state for row in rows} == {PictureState.READABLE}
    assert len({row.content_hash for row in rows}) == 3
    assert all(len(row.content_hash) == 64 and row.looked_at for row in rows)


def test_unchanged_pictures_are_not_even_read(shop: Shop):
    store = shop.storage = Counting()
    store.put("a.png", picture(1))
    shop.product("a.png")
    shop.look()
    later(hours=7)
    report = shop.look()
    assert (report.unchanged, report.changed, report.added) == (1, 0, 0)
    assert store.opened == ["a.png"]
    assert len(store.asked) == 2


def test_a_far_storage_is_not_asked_all_the_time(shop: Shop):
    store = shop.storage = Counting()
    store.put("a.png", picture(1))
    shop.product("a.png")
    shop.look()
    assert shop.look().unchanged == 1
    assert store.asked == ["a.png"]
    later(hours=7)
    shop.look()
    shop.look()  # which the look before was enough for
    assert len(store.asked) == 2


def test_a_storage_that_tells_nothing_is_read_once_a_day(shop: Shop):
    store = shop.storage = Counting(is_marked=False)
    store.put("a.png", picture(1))
    shop.product("a.png")
    shop.look()
    later(hours=7)
    shop.look()
    assert store.opened == ["a.png"]
    later(hours=25)
    assert shop.look().unchanged == 1
    assert store.opened == ["a.png"] * 2
    later(hours=25)
    store.put("a.png", picture(2))
    assert shop.look().changed == 1


def test_a_changed_picture_is_noticed(shop: Shop):
    shop.file("a.png", picture(1))
    shop.product("a.png")
    shop.look()
    before = shop.row("a.png").content_hash
    shop.file("a.png", picture(2))
    assert shop.look().changed == 1
    assert shop.row("a.png").content_hash != before


def test_a_file_that_was_only_touched_is_the_same(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    shop.file("a.png", picture(1))
    shop.product("a.png")
    shop.look()
    before = shop.row("a.png")
    shop.file("a.png", picture(1))
    monkeypatch.setattr(pictures, "accept", None)  # it is not opened again
    report = shop.look()
    assert (report.unchanged, report.changed) == (1, 0)
    after = shop.row("a.png")
    assert after.content_hash == before.content_hash
    assert after.marker != before.marker


def test_a_look_that_finds_nothing_new_writes_nothing(
    shop: Shop, django_assert_max_num_queries: Any
):
    for number in range(30):
        shop.file(f"{number}.png", picture(number))
        shop.product(f"{number}.png")
    shop.look()
    before = list(Picture.objects.order_by("pk").values())
    with django_assert_max_num_queries(8):
        assert shop.look().unchanged == 30
    assert list(Picture.objects.order_by("pk").values()) == before


def test_pictures_no_longer_shown_go(shop: Shop):
    for name in ("a.png", "b.png"):
        shop.file(name, picture(1))
    product = shop.product("a.png", "b.png")
    shop.look()
    Product.objects.filter(pk=product.pk).update(facts={"pictures": ["b.png"]})
    assert shop.look().removed == 1
    assert shop.row("b.png").position == 0
    assert Picture.objects.count() == 1


def test_pictures_of_products_that_are_gone_go(shop: Shop):
    shop.file("a.png", picture(1))
    product, _ = shop.product("a.png"), shop.product()
    shop.look()
    product.delete()
    sync_items()
    assert run().get("removed") == 1
    assert not Picture.objects.exists()


def test_pictures_of_another_site_stay(shop: Shop):
    product = shop.product()
    Item.objects.filter(pk=product.pk).update(site=2)
    Picture.objects.create(site=2, product=product, name="theirs.png")
    report = run()
    assert (report["products"], report["removed"]) == (0, 0)
    assert Picture.objects.filter(site=2).exists()


def test_two_products_with_the_same_file_have_a_row_each(shop: Shop):
    shop.file("a.png", picture(1))
    shop.product("a.png")
    shop.product("a.png", "a.png")
    assert shop.look().added == 2
    assert Picture.objects.values_list("content_hash").distinct().count() == 1


def test_a_very_long_name_is_kept(shop: Shop):
    store = shop.storage = Counting()
    names = ["x" * 600 + end for end in (".png", ".jpg")]
    for name in names:
        store.put(name, picture(1))
    shop.product(*names)
    assert shop.look().added == 2
    assert shop.look().unchanged == 2
    assert max(map(len, Picture.objects.values_list("name", flat=True))) <= 500


def test_a_catalogue_that_raises_costs_that_product_only(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    shop.file("a.png", picture(1))
    bad, good = shop.product("a.png"), shop.product("a.png")
    shop.look()

    class Broken(PictureCatalog):
        def get_pictures(self, product: Any) -> Any:
            if product.pk == bad.pk:
                raise KeyError("no gallery")
            return super().get_pictures(product)

    monkeypatch.setattr(backends, "catalog", lambda: Broken(shop.storage))
    report = shop.look()
    assert (report.failed, report.unchanged, report.removed) == (1, 1, 0)
    assert "no gallery" in report.notes[0]
    assert Picture.objects.filter(product=bad, state=PictureState.READABLE).exists()
    assert Picture.objects.filter(product=good).exists()


# --- three strikes --------------------------------------------------------------------------------


def test_r13_three_strikes_and_it_is_left_alone(shop: Shop):
    shop.file("a.png", b"no picture")
    shop.product("a.png")
    told = []
    for _ in range(3):
        report = shop.look()
        told.append((shop.told("a.png"), report.quarantined))
    assert told == [
        (("refused", "format", 1), 0),
        (("refused", "format", 2), 0),
        (("quarantined", "format", 3), 1),
    ]
    report = shop.look()
    assert (report.unchanged, report.refused) == (1, {})
    assert "JPEG, PNG, WEBP" in shop.row("a.png").words


def test_a_changed_file_has_a_new_chance(shop: Shop):
    shop.file("a.png", b"no picture")
    shop.product("a.png")
    for _ in range(3):
        shop.look()
    shop.file("a.png", b"still none")
    shop.look()
    assert shop.told("a.png") == ("refused", "format", 1)
    shop.file("a.png", picture(1))
    shop.look()
    assert shop.told("a.png") == ("readable", "", 0)


def test_a_quarantined_file_that_is_only_touched_stays_there(shop: Shop):
    store = shop.storage = Counting(is_marked=False)
    store.put("a.png", b"no picture")
    shop.product("a.png")
    for _ in range(3):
        shop.look()
    later(hours=25)
    report = shop.look()
    assert (report.unchanged, report.refused) == (1, {})
    later(hours=25)
    store.put("a.png", picture(3))
    shop.look()
    assert shop.told("a.png") == ("readable", "", 0)


def test_a_released_picture_is_read_again(shop: Shop):
    shop.file("a.png", b"no picture")
    shop.file("b.png", picture(1))
    shop.product("a.png", "b.png")
    for _ in range(3):
        shop.look()
    assert picture_rows.release(Picture.objects.all()) == 1
    assert shop.told("a.png") == ("waiting", "", 0)
    assert shop.told("b.png") == ("readable", "", 0)
    assert shop.look().refused == {Fault.FORMAT: 1}
    assert shop.told("a.png") == ("refused", "format", 1)


def test_a_volume_that_is_not_mounted_loses_nothing(shop: Shop):
    """Files that are missing for a while come back as what they were."""
    shop.file("a.png", picture(1))
    shop.product("a.png")
    shop.look()
    before = shop.row("a.png").content_hash
    (shop.folder / "a.png").rename(shop.folder / "elsewhere")
    for _ in range(4):
        assert shop.look().refused == {Fault.MISSING: 1}
    assert shop.told("a.png") == ("quarantined", "missing", 3)
    assert shop.row("a.png").content_hash == before
    (shop.folder / "elsewhere").rename(shop.folder / "a.png")
    shop.look()
    assert shop.told("a.png") == ("readable", "", 0)


def test_a_storage_at_fault_costs_no_strikes_and_nothing_known(shop: Shop):
    store = shop.storage = Raising()
    store.is_broken = False
    store.put("a.png", picture(1))
    store.put("b.png", picture(2))
    product = shop.product("a.png")
    shop.look()
    before = shop.row("a.png").content_hash
    Product.objects.filter(pk=product.pk).update(facts={"pictures": ["a.png", "b.png"]})
    store.is_broken = True
    later(hours=7)
    for _ in range(5):
        assert shop.look().refused == {Fault.STORAGE: 2}
    assert shop.told("a.png") == ("readable", "storage", 0)
    assert shop.told("b.png") == ("refused", "storage", 0)
    assert "on fire" in shop.row("a.png").words
    assert shop.row("a.png").content_hash == before
    store.is_broken = False
    shop.look()
    assert shop.told("a.png") == shop.told("b.png") == ("readable", "", 0)


# --- addresses ------------------------------------------------------------------------------------

ADDRESS = "https://pictures.example/a.png"


def test_a_picture_of_an_allowed_host(shop: Shop, settings, monkeypatch: pytest.MonkeyPatch):
    """Read once a day, since nobody says whether it changed; one that is as it was is not opened."""
    asked, bodies = [], {ADDRESS: picture(1)}

    def fetch(address: str, *, hosts: Any, max_bytes: int) -> bytes:
        asked.append((address, tuple(hosts), max_bytes))
        return bodies[address]

    monkeypatch.setattr(fetching, "fetch", fetch)
    settings.RECO_IMAGE_HOSTS = ["pictures.example"]
    settings.RECO_IMAGE_MAX_BYTES = 5_000
    shop.product(ADDRESS)
    assert shop.look().added == 1
    assert asked == [(ADDRESS, ("pictures.example",), 5_000)]
    shop.look()
    assert len(asked) == 1
    later(hours=25)
    assert shop.look().unchanged == 1
    bodies[ADDRESS] = picture(2)
    later(hours=25)
    assert shop.look().changed == 1
    assert len(asked) == 3


def test_a_picture_of_a_host_that_is_not_allowed_any_more(shop: Shop, settings):
    """No strike, since the file is not at fault; once it is allowed, it is read."""
    product = shop.product(ADDRESS)
    Picture.objects.create(
        product=product, name=ADDRESS, state="readable", marker="#x", content_hash="x"
    )
    for _ in range(4):
        later(hours=25)
        assert shop.look().refused == {Fault.FORBIDDEN: 1}
    assert shop.told(ADDRESS) == ("refused", "forbidden", 0)
    assert "RECO_IMAGE_HOSTS" in shop.row(ADDRESS).words


# --- as a job, and for those that encode ----------------------------------------------------------


def run() -> Any:
    held = take(1, "pictures")
    assert held is not None
    try:
        return pictures.work(Work(held))
    finally:
        held.let_go()


def test_the_job_tells_what_it_did(shop: Shop):
    shop.file("a.png", picture(1))
    shop.file("b.png", b"")
    shop.product("a.png", "b.png")
    report = run()
    assert report["pictures"] == 2
    assert report["refused"] == {"empty": 1}


def test_without_pillow_the_job_says_what_to_install(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding, "is_installed", lambda: False)
    shop.product("a.png")
    assert "[images]" in run()["notes"][0]


def test_pictures_are_read_for_those_that_encode(shop: Shop):
    shop.file("a.png", picture(1))
    shop.file("b.png", picture(2))
    shop.file("c.png", picture(3))
    shop.product("a.png", "b.png", "c.png")
    shop.look()
    shop.file("b.png", picture(9))
    (shop.folder / "c.png").unlink()
    found = {row.name: data for row, data in picture_files.read(1, list(Picture.objects.all()))}
    assert found["a.png"] == picture(1)
    assert "b.png" not in found  # another picture by now: the next look sees to it
    gone = found["c.png"]
    assert isinstance(gone, Refused)
    assert gone.fault == Fault.MISSING
