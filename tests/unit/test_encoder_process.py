"""An encoder in its own process: everything comes back once, whatever happens to some of it."""

from __future__ import annotations

import io
import os
import time

import fakeencoder
import numpy as np
import pytest

from reco_plugin.encoders import packing, process
from reco_plugin.encoders.base import Fault, Limits, Refused
from reco_plugin.encoders.process import EncoderProcess, Spec
from reco_plugin.encoders.weights import save
from reco_plugin.exceptions import EncoderUnavailable

Image = pytest.importorskip("PIL.Image")


def picture(red, green, blue):
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), (red, green, blue)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def spec(tmp_path):
    """Nothing may be left in its folder at the end."""
    (tmp_path / "kept").mkdir()
    path = tmp_path / "kept" / "weights.npz"
    digest = save(path, fakeencoder.weights())
    limits = Limits(formats=("PNG",))
    yield Spec(encoder=fakeencoder.NAME, weights=path, sha256=digest, batch=4, limits=limits)
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def answered(encoder, pictures):
    vectors, refused = {}, {}
    for answer in encoder.encode(pictures):
        if isinstance(answer, tuple):
            vectors |= dict(zip(*answer, strict=True))
        else:
            refused |= dict(answer)
    return vectors, refused


def test_every_picture_is_answered_once_over_several_shares(spec, tmp_path):
    colours = [(number * 20, 90, 255 - number * 20) for number in range(11)]
    shares = [list(enumerate(colours)), [], list(enumerate(colours[:3]))]
    missing = Refused(fault=Fault.MISSING, words="gone")
    with EncoderProcess(spec, tmp_path) as encoder:
        assert encoder.dimension == fakeencoder.DIMENSION
        for share in shares:
            given = [(number, picture(*colour)) for number, colour in share]
            odd = [(100, b"no picture"), (101, missing)] if share else []
            vectors, refused = answered(encoder, [*given, *odd])
            assert sorted(vectors) == [number for number, _ in share]
            assert sorted(refused) == [number for number, _ in odd]
            if odd:
                assert refused[100].fault == Fault.FORMAT
                assert refused[101] is missing
    expected = fakeencoder.Looking(fakeencoder.weights())
    pixels = np.full((1, 16, 16, 3), (40, 90, 215), np.uint8)
    found = np.asarray(vectors[2], np.float32)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-2)
    assert found @ expected.encode(pixels)[0] > 0.999


def test_pictures_are_read_no_further_ahead_than_there_is_room(spec, tmp_path):
    data, read = picture(1, 2, 3) + bytes(100_000), []

    def endless():
        for number in range(100_000):
            read.append(number)
            yield number, data

    with EncoderProcess(spec, tmp_path) as encoder:
        answers = encoder.encode(endless())
        next(answers)
        time.sleep(0.3)
        assert len(read) < 2_000
        answers.close()
        seen = len(read)
    time.sleep(0.1)
    assert len(read) <= seen + 1


def test_what_the_pictures_raise_is_raised_after_what_was_seen(spec, tmp_path):
    def broken():
        yield 0, picture(9, 9, 9)
        raise ValueError("the storage has a bug")

    with EncoderProcess(spec, tmp_path) as encoder:
        seen = []
        with pytest.raises(ValueError, match="the storage has a bug"):
            seen.extend(encoder.encode(broken()))
        assert [numbers for numbers, _ in seen] == [[0]]
        assert sorted(answered(encoder, [(5, picture(1, 1, 1))])[0]) == [5]


def test_its_death_is_told_and_leaves_nothing(spec, tmp_path):
    with EncoderProcess(spec, tmp_path) as encoder:
        pid = encoder._process.pid
        with pytest.raises(EncoderUnavailable, match="encoder process was killed by SIGSEGV"):
            answered(encoder, ((n, picture(13, 13, 13)) for n in range(1_000)))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_weights_that_are_not_what_they_were_are_refused(spec, tmp_path):
    spec.weights.write_bytes(spec.weights.read_bytes()[:-5])
    with pytest.raises(EncoderUnavailable, match="no usable file of weights"):
        EncoderProcess(spec, tmp_path)


def test_an_answer_that_comes_at_once_is_heard(spec, tmp_path, monkeypatch):
    """The end of a share was told while it was still being asked for, and then waited for ever."""
    written = os.write

    def slowly(pipe, data):
        done = written(pipe, data)
        time.sleep(0.2)
        return done

    with EncoderProcess(spec, tmp_path) as encoder:
        monkeypatch.setattr(process.os, "write", slowly)
        monkeypatch.setattr(process, "SILENT_SECONDS", 5.0)
        for share in (
            [],
            [(1, Refused(fault=Fault.MISSING, words="gone"))],
            [(2, picture(1, 2, 3))],
        ):
            vectors, refused = answered(encoder, share)
            assert [*vectors, *refused] == [number for number, _ in share]


@pytest.mark.parametrize("more", [1, 2_000])
def test_one_that_hangs_is_given_up(spec, tmp_path, monkeypatch, more):
    """Whether it is waited for, or does not take what is sent."""
    monkeypatch.setattr(process, "SILENT_SECONDS", 0.5)
    stopped = picture(14, 14, 14)
    with EncoderProcess(spec, tmp_path) as encoder:
        pid = encoder._process.pid
        with pytest.raises(EncoderUnavailable, match=r"after 0\.5 s, its time limit. It hangs, or"):
            answered(encoder, ((n, stopped + bytes(1_000)) for n in range(more)))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# --- frames --------------------------------------------------------------------------------------


def test_shares_come_out_as_they_went_in():
    stream = io.BytesIO()
    given = [[(3, b"abc"), (2**40, b"")], [], [(0, bytes(100_000))]]
    for share in given:
        for number, data in share:
            stream.write(packing.packed(number, data))
        stream.write(packing.END_OF_SHARE)
    stream.seek(0)
    assert [list(share) for share in packing.shares(stream)] == given


@pytest.mark.parametrize("cut", [1, 17, 20])
def test_a_stream_that_ends_within_a_share_is_told(cut):
    whole = 2 * packing.packed(1, b"abc")
    share = next(packing.shares(io.BytesIO(whole[: len(whole) - cut])))
    with pytest.raises(packing.Cut):
        list(share)
