"""Bytes of pictures → pixels, or why not."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.encoders import headers
from reco_plugin.encoders.base import Fault, Limits, Refused

pytest.importorskip("PIL")
from PIL import Image

from reco_plugin.encoders.decoding import decode, unknown_formats

LIMITS = Limits()
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def quarters() -> Image.Image:
    """Red, green above blue, white."""
    image = Image.new("RGB", (64, 64), WHITE)
    image.paste(RED, (0, 0, 32, 32))
    image.paste(GREEN, (32, 0, 64, 32))
    image.paste(BLUE, (0, 32, 32, 64))
    return image


def corners(pixels: Any) -> list[tuple[int, ...]]:
    """Top left, top right, bottom left, bottom right, as pure colours."""
    side = len(pixels)
    found = [pixels[y, x] for y in (side // 4, 3 * side // 4) for x in (side // 4, 3 * side // 4)]
    return [tuple(int(round(value / 255) * 255) for value in pixel) for pixel in found]


def opened(data: bytes, size: int = 32, limits: Limits = LIMITS) -> Any:
    pixels = decode(data, limits, size)
    assert not isinstance(pixels, Refused), pixels
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    return pixels


def fault(data: bytes, limits: Limits = LIMITS) -> Fault:
    refused = decode(data, limits, 32)
    assert isinstance(refused, Refused)
    assert refused.words
    return refused.fault


def png_of(width: int, height: int, *, depth: int = 8, kind: int = 2, body: bytes = b"") -> bytes:
    """A PNG that says it is that large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


# --- what is opened -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [16, 32, 64, 100])
def test_the_allowed_formats_are_opened(form: str, size: int) -> None:
    pixels = opened(saved(quarters(), form), size)
    assert corners(pixels) == [RED, GREEN, BLUE, WHITE]


def test_an_oblong_picture_is_centred_on_white() -> None:
    pixels = opened(saved(Image.new("RGB", (100, 50), BLUE), "PNG"), 32)
    assert (pixels[:8] == 255).all()
    assert (pixels[24:] == 255).all()
    assert (pixels[8:24] == BLUE).all()


def test_a_small_picture_is_enlarged() -> None:
    assert (opened(saved(Image.new("RGB", (9, 9), RED), "PNG"), 64) == RED).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_it_is_turned_as_its_exif_says(form: str, orientation: int) -> None:
    """As Pillow's own, slower, way of it does."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    image = quarters().resize((64, 48))
    data = saved(image, form, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert corners(opened(data)) == corners(opened(saved(expected, "PNG")))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_is_no_reason_to_refuse_a_picture() -> None:
    data = saved(quarters(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff garbage")
    assert corners(opened(data)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P"])
def test_other_colour_models_become_rgb(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    pixels = opened(
        saved(quarters().convert(mode), form, **({"quality": 95} if mode == "CMYK" else {}))
    )
    assert (pixels[24, 24] > 200).all()
    assert pixels[8, 8].mean() < 200


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    shades = np.linspace(0, 65_535, 64, dtype=np.uint16)
    image = Image.fromarray(np.tile(shades, (64, 1)))
    row = opened(saved(image, "PNG"), 64)[32, :, 0].astype(int)
    assert np.abs(row - np.linspace(0, 255, 64)).max() <= 2


def test_sixteen_bit_colour_is_opened() -> None:
    rows = b"".join(b"\x00" + struct.pack(">HHH", 65_535, 0, 0) * 16 for _ in range(16))
    data = png_of(16, 16, depth=16, body=zlib.compress(rows))
    assert (opened(data) == RED).all()


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_transparency_shows_white(form: str) -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 32, 64))
    options = {"lossless": True} if form == "WEBP" else {}
    assert corners(opened(saved(image, form, **options))) == [RED, WHITE, RED, WHITE]


def test_half_transparent_is_half_white() -> None:
    pixels = opened(saved(Image.new("RGBA", (64, 64), (0, 0, 0, 128)), "PNG"))
    assert np.abs(pixels.astype(int) - 127).max() <= 1


@pytest.mark.parametrize("mode", ["P", "LA", "RGB"])
def test_other_forms_of_transparency_show_white(mode: str) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (0, 0, 32, 64))
    if mode == "RGB":
        data = saved(image.convert("RGB"), "PNG", transparency=(0, 0, 0))
    else:
        data = saved(image.convert(mode), "PNG")
    pixels = opened(data)
    assert (pixels[:, 24] == 255).all()
    assert (pixels[:, 8] < 255).any()


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, GREEN, BLUE)]
    for form in ("PNG", "WEBP"):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:])
        assert corners(opened(data)) == [RED] * 4
    gif = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert corners(opened(gif, limits=Limits(formats=("GIF",)))) == [RED] * 4


def test_a_photo_of_a_camera_that_holds_a_preview_too_is_a_jpeg() -> None:
    data = saved(quarters(), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert corners(opened(data)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("form", ["AVIF", "TIFF", "BMP"])
def test_other_formats_are_opened_where_the_shop_says_so(form: str) -> None:
    if unknown_formats([form]):
        pytest.skip(f"this Pillow has no {form}")
    assert corners(opened(saved(quarters(), form), limits=Limits(formats=(form,)))) == [
        RED, GREEN, BLUE, WHITE,
    ]  # fmt: skip


def test_a_very_long_picture_is_a_line() -> None:
    pixels = opened(saved(Image.new("RGB", (4_000, 8), RED), "PNG"))
    assert (pixels[15] == RED).all()
    assert (pixels[10] == 255).all()


# --- what is refused ------------------------------------------------------------------------------


def test_an_empty_file() -> None:
    assert fault(b"") == Fault.EMPTY


def test_too_many_bytes() -> None:
    assert fault(saved(quarters(), "PNG"), Limits(max_bytes=50)) == Fault.TOO_LARGE


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"this is a shopping list", "text"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<svg onload='alert(1)'/>", "SVG"),
        (b"<!DOCTYPE html><title>404</title>", "HTML"),
        (b"%PDF-1.7", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "EPS"),
        (b"\x1f\x8b\x08rest", "GZIP"),
        (b"\x00\x01\x02\x03", "no picture we know"),
    ],
)
def test_what_is_no_picture_is_called_by_its_name(data: bytes, named: str) -> None:
    refused = decode(data, LIMITS, 32)
    assert isinstance(refused, Refused)
    assert refused.fault == Fault.FORMAT
    assert named in refused.words
    assert "JPEG, PNG, WEBP" in refused.words


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF"])
def test_a_format_that_is_not_allowed(form: str) -> None:
    refused = decode(saved(quarters(), form), LIMITS, 32)
    assert isinstance(refused, Refused)
    assert refused.fault == Fault.FORMAT
    assert form in refused.words


def test_one_by_one_pixel() -> None:
    assert fault(saved(Image.new("RGB", (1, 1)), "PNG")) == Fault.TOO_SMALL


@pytest.mark.parametrize("side", [30_000, 60_000, 2**31 - 1])
def test_a_header_that_claims_too_much(side: int) -> None:
    assert fault(png_of(side, side)) == Fault.BOMB


def test_a_jpeg_and_a_webp_header_that_claim_too_much() -> None:
    jpeg = saved(quarters(), "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    assert fault(jpeg[:at] + struct.pack(">HH", 30_000, 30_000) + jpeg[at + 4 :]) == Fault.BOMB
    canvas = (16_382).to_bytes(3, "little") * 2
    webp = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + canvas
    assert fault(webp) == Fault.BOMB


def test_a_bomb_warns_nobody_and_changes_nothing() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fault(png_of(10_000, 9_500)) == Fault.BOMB  # Pillow itself would warn
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_text_bomb() -> None:
    text = zlib.compress(b"a" * (3 * 2**20))
    data = b"Comment\x00\x00" + text
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    whole = saved(quarters(), "PNG")
    assert fault(whole[:33] + chunk + whole[33:]) == Fault.BOMB


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), form)
    assert fault(data[: int(len(data) * share)]) == Fault.TRUNCATED


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_nothing_but_a_signature(form: str) -> None:
    assert fault(saved(quarters(), form)[:12]) == Fault.TRUNCATED


# --- what always holds ----------------------------------------------------------------------------

WHOLE = {form: saved(quarters(), form) for form in ("JPEG", "PNG", "WEBP")}


@given(form=st.sampled_from(sorted(WHOLE)), at=st.integers(0, 2_000), junk=st.binary(max_size=64))
def test_whatever_is_inside_there_is_an_answer(form: str, at: int, junk: bytes) -> None:
    data = WHOLE[form]
    at %= len(data)
    found = decode(data[:at] + junk + data[at + len(junk) :], LIMITS, 16)
    assert isinstance(found, Refused) or found.shape == (16, 16, 3)


@given(data=st.binary(max_size=200))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert isinstance(decode(data, LIMITS, 16), Refused)
    headers.kind(data)
    headers.size(data)


@given(width=st.integers(8, 90), height=st.integers(8, 90), size=st.integers(1, 70))
def test_any_shape_becomes_a_square(width: int, height: int, size: int) -> None:
    opened(saved(Image.new("RGB", (width, height), RED), "PNG"), size)


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    form=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF"]),
)
def test_headers_are_read_as_pillow_reads_them(width: int, height: int, form: str) -> None:
    data = saved(Image.new("RGB", (width, height)), form)
    assert headers.kind(data) == form
    assert headers.size(data) == (width, height)


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"quality": 80}, {"exif": b"Exif\x00\x00"}]
)
def test_the_three_forms_of_a_webp_header(options: dict[str, Any]) -> None:
    assert headers.size(saved(Image.new("RGB", (123, 45)), "WEBP", **options)) == (123, 45)


def test_threads_do_not_disturb_each_other() -> None:
    """Each with limits of its own, at the same time."""
    data, wrong = saved(quarters(), "JPEG"), []

    def look(limits: Limits, kind: type) -> None:
        wrong.extend(1 for _ in range(40) if not isinstance(decode(data, limits, 32), kind))

    told = [(Limits(), np.ndarray), (Limits(max_pixels=100), Refused)] * 3
    threads = [threading.Thread(target=look, args=each) for each in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_formats_that_pillow_does_not_know() -> None:
    assert unknown_formats(["JPEG", "webp", "HOLOGRAM"]) == ["HOLOGRAM"]
