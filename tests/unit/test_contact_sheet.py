"""The contact sheet is a whole SVG file, whatever titles say; its pictures are what was handed in."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reco_plugin.management.contact_sheet import Row, Tile, drawn, png

SVG = "{http://www.w3.org/2000/svg}"


def sheet(rows, title="Title", words="Words"):
    return ET.fromstring("".join(drawn(title, words, rows)))


def pixels(value=7):
    return np.full((4, 4, 3), value, dtype=np.uint8)


@given(st.text(), st.text())
def test_no_title_breaks_the_file(one, two):
    row = Row(query=Tile(title=one, note=two), found=(Tile(title=two, note=one),))
    found = sheet([row], title=one, words=two)
    assert len(list(found.iter(f"{SVG}g"))) == 2


@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("columns", [0, 1, 8])
def test_everything_lies_on_the_sheet(rows, columns):
    tile = Tile(
        title="A title that is much too long to stand below it", note="0.98", pixels=pixels()
    )
    found = sheet([Row(query=tile, found=(tile,) * columns)] * rows)
    width, height = float(found.get("width")), float(found.get("height"))
    pictures = list(found.iter(f"{SVG}image"))
    assert len(pictures) == rows * (1 + columns)
    assert all(float(p.get("x")) + float(p.get("width")) <= width for p in pictures)
    assert all(float(p.get("y")) + float(p.get("height")) <= height for p in pictures)
    assert len({(p.get("x"), p.get("y")) for p in pictures}) == len(pictures)


def test_a_picture_that_is_not_there_leaves_its_frame_and_the_reason():
    found = sheet([Row(query=Tile(title="Boots", note="The file is empty."), found=())])
    assert not list(found.iter(f"{SVG}image"))
    assert "The file is empty." in {each.text for each in found.iter(f"{SVG}text")}


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_a_png_holds_the_pixels(rows):
    Image = pytest.importorskip("PIL.Image")
    back = np.asarray(Image.open(io.BytesIO(png(rows))))
    assert np.array_equal(back, rows)


def test_the_picture_in_the_file_is_the_one_handed_in():
    row = Row(query=Tile(title="", note="", pixels=pixels(200)), found=())
    (image,) = sheet([row]).iter(f"{SVG}image")
    kind, _, data = image.get("href").partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == png(pixels(200))
