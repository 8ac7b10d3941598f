"""What the doctor says of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pictureshop import Raising, Shop, picture

from reco_plugin import backends
from reco_plugin.doctor import pictures
from reco_plugin.encoders import decoding, opener

pytest.importorskip("PIL")
pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path)
    monkeypatch.setattr(backends, "catalog", shop.catalog)
    return shop


def told(ask: Any) -> list[tuple[str, str]]:
    return [(finding.level, finding.words) for finding in ask(1)]


def test_a_shop_without_pictures_hears_nothing(settings) -> None:
    assert told(pictures.known) == []
    assert told(pictures.are_read) == []


def test_nobody_asks_where_nothing_looks(shop: Shop, settings) -> None:
    settings.RECO_ENCODER = ""
    shop.product("a.png")
    assert told(pictures.known) == told(pictures.are_read) == []


def test_pictures_that_nobody_has_looked_at(shop: Shop) -> None:
    shop.product("a.png")
    assert told(pictures.known) == [
        ("note", "The catalogue names pictures, but none was looked at.")
    ]


def test_how_many_can_be_opened(shop: Shop) -> None:
    names = [shop.file(f"{number}.png", picture(number)) for number in range(3)]
    shop.product(*names)
    shop.look()
    assert told(pictures.known) == [("ok", "3 of 3 pictures can be opened.")]
    shop.product(shop.file("text.png", b"text"), "gone.png")
    shop.look()
    assert told(pictures.known) == [
        ("warning", "3 of 5 pictures can be opened. Refused: 2 (1 format, 1 missing).")
    ]


def test_some_are_read_and_opened_here_and_now(shop: Shop) -> None:
    for number in range(10):
        shop.product(shop.file(f"{number}.png", picture(number)))
    ((level, words),) = told(pictures.are_read)
    assert level == "ok"
    assert words.startswith("8 of 8 pictures were read and opened in ")


def test_a_storage_that_fails_is_found_before_the_job_meets_it(shop: Shop) -> None:
    shop.storage = Raising()
    shop.product("a.png")
    (finding,) = pictures.are_read(1)
    assert finding.level == "warning"
    assert "0 of 1" in finding.words
    assert "on fire" in finding.words
    assert "reach the storage" in finding.hint


def test_a_machine_that_cannot_open_any(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.product(shop.file("a.png", picture()))
    monkeypatch.setattr(opener, "__name__", "no_such_module")
    (finding,) = pictures.are_read(1)
    assert finding.level == "error"
    assert "no_such_module" in finding.words
    monkeypatch.setattr(decoding, "is_installed", lambda: False)
    assert told(pictures.are_read) == []  # the checks say so
