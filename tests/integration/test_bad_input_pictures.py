"""Every bad picture a shop may hold, through the job, with real files: refused, told why, counted, and
nothing else lost."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pictureshop import Counting, Hanging, Raising, Shop, animation, bomb, header, picture

from reco_plugin import backends
from reco_plugin.encoders.base import Fault
from reco_plugin.jobs import asking
from reco_plugin.models import Picture, PictureState

pytest.importorskip("PIL")
pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path)
    monkeypatch.setattr(backends, "catalog", shop.catalog)
    return shop


def jpeg_header() -> bytes:
    """30,000 by 30,000, says a JPEG."""
    data = picture(form="JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 30_000, 30_000) + data[at + 4 :]


def half(form: str) -> Callable[[], bytes]:
    def made() -> bytes:
        data = picture(side=400, form=form)
        return data[: len(data) // 2]

    return made


BAD: dict[str, tuple[Callable[[], bytes], Fault, str]] = {
    "bomb.png": (bomb, Fault.BOMB, "RECO_IMAGE_MAX_PIXELS"),
    "empty.jpg": (lambda: b"", Fault.EMPTY, "empty"),
    "text.jpg": (lambda: b"milk, eggs, bread", Fault.FORMAT, "text"),
    "page.jpg": (lambda: b"<!DOCTYPE html><h1>404</h1>", Fault.FORMAT, "HTML"),
    "drawing.svg": (
        lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        Fault.FORMAT,
        "SVG",
    ),
    "drawing.png": (lambda: b"<?xml version='1.0'?>\n<svg/>", Fault.FORMAT, "SVG"),
    "moving.gif": (animation, Fault.FORMAT, "GIF"),
    "moving.jpg": (animation, Fault.FORMAT, "GIF"),
    "dot.png": (lambda: picture(side=1), Fault.TOO_SMALL, "1x1"),
    "huge.png": (header, Fault.BOMB, "30,000x30,000"),
    "huge.jpg": (jpeg_header, Fault.BOMB, "30,000x30,000"),
    "half.jpg": (half("JPEG"), Fault.TRUNCATED, "ends too early"),
    "half.png": (half("PNG"), Fault.TRUNCATED, "ends too early"),
    "half.webp": (half("WEBP"), Fault.TRUNCATED, "ends too early"),
    "script.eps": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", Fault.FORMAT, "EPS"),
    "noise.jpg": (lambda: bytes(range(256)) * 9, Fault.FORMAT, "no picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_r13_a_bad_picture_is_refused_counted_and_nothing_lost(shop: Shop, name: str):
    made, fault, word = BAD[name]
    shop.file("first.png", picture(1))
    shop.file(name, made())
    shop.file("last.png", picture(2))
    shop.product("first.png", name, "last.png")
    report = shop.look()
    assert report.refused == {fault: 1}
    assert shop.told(name) == (PictureState.REFUSED, fault, 1)
    assert word in shop.row(name).words
    assert shop.row(name).content_hash == ""
    for good in ("first.png", "last.png"):
        assert shop.told(good) == (PictureState.READABLE, "", 0)


def test_all_of_them_at_once(shop: Shop):
    """One look, one report; the third look leaves them alone."""
    names = []
    for number, (name, (made, _, _)) in enumerate(BAD.items()):
        names += [shop.file(f"{number}.png", picture(number)), shop.file(name, made())]
    for start in range(0, len(names), 8):
        shop.product(*names[start : start + 8])
    for _ in range(3):
        report = shop.look()
        assert sum(report.refused.values()) == len(BAD)
    assert report.quarantined == len(BAD)
    readable = Picture.objects.filter(state=PictureState.READABLE)
    assert readable.count() == len(BAD)
    assert shop.look().refused == {}


def test_a_missing_file(shop: Shop):
    shop.file("good.png", picture(1))
    shop.product("good.png", "gone.png")
    assert shop.look().refused == {Fault.MISSING: 1}
    assert shop.told("gone.png") == (PictureState.REFUSED, Fault.MISSING, 1)
    assert shop.told("good.png") == (PictureState.READABLE, "", 0)


def test_a_name_that_leads_out_of_the_storage(shop: Shop):
    shop.file("good.png", picture(1))
    shop.product("good.png", "../../etc/passwd")
    assert shop.look().refused == {Fault.FORBIDDEN: 1}
    assert "leads out" in shop.row("../../etc/passwd").words


def test_a_folder_called_like_a_picture(shop: Shop):
    (shop.folder / "folder.png").mkdir()
    shop.file("good.png", picture(1))
    shop.product("good.png", "folder.png")
    assert shop.look().refused == {Fault.STORAGE: 1}
    assert shop.told("good.png")[0] == PictureState.READABLE


def test_a_file_of_too_many_bytes_is_not_kept_in_memory(shop: Shop, settings):
    settings.RECO_IMAGE_MAX_BYTES = 1_000
    shop.file("good.png", picture(1))
    shop.file("large.png", b"\x00" * 1_000_000)
    shop.product("good.png", "large.png")
    assert shop.look().refused == {Fault.TOO_LARGE: 1}
    assert "RECO_IMAGE_MAX_BYTES" in shop.row("large.png").words
    for _ in range(2):
        shop.look()
    assert shop.told("large.png") == (PictureState.QUARANTINED, Fault.TOO_LARGE, 3)
    assert shop.look().unchanged == 2


# --- storages -------------------------------------------------------------------------------------


def test_a_storage_that_times_out(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asking, "SECONDS", 1.0)
    store = shop.storage = Hanging("slow.png")
    for name in ("slow.png", "good.png"):
        store.put(name, picture(1))
    shop.product("slow.png", "good.png")
    start = time.monotonic()
    report = shop.look()
    assert time.monotonic() - start < 25
    assert report.refused == {Fault.STORAGE: 1}
    assert shop.told("slow.png") == (PictureState.REFUSED, Fault.STORAGE, 0)
    assert "1 s" in shop.row("slow.png").words
    assert shop.told("good.png") == (PictureState.READABLE, "", 0)
    store.hangs_at.clear()
    shop.look()
    assert shop.told("slow.png") == (PictureState.READABLE, "", 0)


def test_r13_a_storage_that_hangs_is_left_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """It costs a few threads and a moment, not one of each for every picture; others are read."""
    monkeypatch.setattr(asking, "SECONDS", 0.5)
    names = [f"{number}.png" for number in range(150)]
    shop.storage = Hanging(*names)
    for start in range(0, 150, 15):
        shop.product(*names[start : start + 15])
    start_at = time.monotonic()
    report = shop.look()
    assert time.monotonic() - start_at < 25  # one of them alone would take longer
    assert report.refused == {Fault.STORAGE: 150}
    assert set(Picture.objects.values_list("strikes", flat=True)) == {0}
    assert Picture.objects.filter(words__contains="left alone").count() > 100


def test_a_storage_that_raises_is_left_alone_too(shop: Shop):
    store = shop.storage = Raising()
    names = [f"{number}.png" for number in range(100)]
    for start in range(0, 100, 10):
        shop.product(*names[start : start + 10])
    assert shop.look().refused == {Fault.STORAGE: 100}
    assert Picture.objects.filter(words__contains="on fire").count() < 60
    store.is_broken = False
    for name in names:
        store.put(name, picture(1))
    assert shop.look().refused == {}
    assert Picture.objects.filter(state=PictureState.READABLE).count() == 100


def test_a_file_that_ends_while_it_is_read(shop: Shop):
    """An upload that is under way: the next look sees the whole."""
    store = shop.storage = Counting()
    whole = picture(side=300)
    store.put("a.png", whole[:200])
    shop.product("a.png")
    assert shop.look().refused == {Fault.TRUNCATED: 1}
    store.put("a.png", whole, stamp=2.0)
    shop.look()
    assert shop.told("a.png") == (PictureState.READABLE, "", 0)
