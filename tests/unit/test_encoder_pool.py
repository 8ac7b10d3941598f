"""Pictures opened in processes of their own, and what they die of."""

from __future__ import annotations

import gc
import io
import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reco_plugin.encoders import opener, opening
from reco_plugin.encoders import pool as pools
from reco_plugin.encoders.base import Fault, Limits, Refused
from reco_plugin.encoders.pool import DecoderPool
from reco_plugin.exceptions import EncoderUnavailable

pytest.importorskip("PIL")
from PIL import Image

SIZE = 16


def picture(shade: int, side: int = 24) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(2, Limits(seconds=20), SIZE) as pool:
        yield pool


def shades(found: dict[Any, Any]) -> dict[Any, Any]:
    return {
        key: each.fault if isinstance(each, Refused) else int(each[0, 0, 0])
        for key, each in found.items()
    }


def test_every_picture_comes_back_once_under_its_key(pool: DecoderPool) -> None:
    found = list(pool.map((shade, picture(shade)) for shade in range(100)))
    assert len(found) == 100
    assert shades(dict(found)) == {shade: shade for shade in range(100)}
    assert found[0][1].shape == (SIZE, SIZE, 3)  # type: ignore[union-attr]
    assert found[0][1].flags.writeable  # type: ignore[union-attr]


def test_a_pool_is_used_again(pool: DecoderPool) -> None:
    for _ in range(3):
        assert shades(dict(pool.map([("a", picture(7))]))) == {"a": 7}
    assert list(pool.map([])) == []


def test_what_is_refused_does_not_disturb_the_others(pool: DecoderPool) -> None:
    missing = Refused(fault=Fault.MISSING, words="It is gone.")
    told: list[tuple[str, bytes | Refused]] = [
        ("good", picture(1)), ("empty", b""), ("text", b"hello"), ("missing", missing),
        ("one", picture(0, side=1)), ("also good", picture(2)),
    ]  # fmt: skip
    assert shades(dict(pool.map(told))) == {
        "good": 1, "empty": Fault.EMPTY, "text": Fault.FORMAT, "missing": Fault.MISSING,
        "one": Fault.TOO_SMALL, "also good": 2,
    }  # fmt: skip


def test_no_more_is_read_than_is_needed(pool: DecoderPool) -> None:
    read = 0

    def endless() -> Iterator[tuple[int, bytes | Refused]]:
        nonlocal read
        while True:
            read += 1
            yield read, picture(3)

    found = pool.map(endless())
    for _ in range(5):
        next(found)
    assert read <= 2 * pools.AHEAD * pools.BATCH + 5
    missing = Refused(fault=Fault.MISSING, words="It is gone.")
    read = 0
    refused = pool.map((each, missing) for each, _ in endless())
    next(refused)
    assert read <= 2 * pools.AHEAD * pools.BATCH + 5


def test_large_pictures_are_held_by_their_bytes(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "AHEAD_BYTES", 3 * len(picture(0)))
    read = []

    def few() -> Iterator[tuple[int, bytes]]:
        for shade in range(20):
            read.append(shade)
            yield shade, picture(0)

    found = pool.map(few())
    next(found)
    assert len(read) <= 4
    assert len(list(found)) == 19


def test_an_error_of_whoever_reads_is_raised_and_the_pool_goes_on(pool: DecoderPool) -> None:
    def broken() -> Iterator[tuple[int, bytes]]:
        yield 1, picture(1)
        raise OSError("the storage is on fire")

    with pytest.raises(OSError, match="on fire"):
        list(pool.map(broken()))
    assert shades(dict(pool.map([(2, picture(2))]))) == {2: 2}


def test_broken_exif_is_no_reason_to_refuse_a_picture(pool: DecoderPool) -> None:
    out = io.BytesIO()
    exif = b"Exif\x00\x00II*\x00\xff\xff\xff\xff garbage"
    Image.new("RGB", (24, 24), (9, 9, 9)).save(out, "JPEG", exif=exif)
    assert shades(dict(pool.map([(1, out.getvalue())]))) == {1: 9}


# --- killers --------------------------------------------------------------------------------------

DEADLY = b"\x89PNG\r\n\x1a\n deadly "
"""What the codec below dies of; what follows says how."""
CODEC = """
    import ctypes, os, time
    from reco_plugin.encoders import decoding
    real = decoding.decode

    def decode(data, limits, size):
        if data.startswith({deadly!r}):
            how = data.split()[-1]
            if how == b"crash": ctypes.string_at(0)
            if how == b"kill": os.kill(os.getpid(), 9)
            if how == b"leave": os._exit(3)
            if how == b"sleep": time.sleep(600)
            while how == b"spin": pass
            if how == b"eat": bytearray(2**36)
            if how == b"write":
                with open(__file__ + ".stolen", "wb") as file:
                    file.write(b"x")
        return real(data, limits, size)

    decoding.decode = decode
"""


@pytest.fixture
def deadly_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Openers whose codec has flaws: theirs is imported before ours."""
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent(CODEC).format(deadly=DEADLY), encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("deadly_codec")
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_r13_a_killer_costs_itself_only() -> None:
    killers = {how: DEADLY + how.encode() for how in ("crash", "kill", "leave", "eat")}
    told: list[tuple[Any, bytes]] = []
    for number, (how, data) in enumerate(killers.items()):
        told += [(number, picture(number)), (how, data), (number + 10, picture(number + 10))]
    with DecoderPool(1, Limits(seconds=20), SIZE) as pool:
        found = dict(pool.map(told))
    expected = {key: key for key, _ in told if isinstance(key, int)}
    assert shades(found) == {**expected, **dict.fromkeys(killers, Fault.KILLER)}
    assert "SIGSEGV" in found["crash"].words  # type: ignore[union-attr]
    assert "killed" in found["kill"].words  # type: ignore[union-attr]
    assert "exit code 3" in found["leave"].words  # type: ignore[union-attr]
    assert "1,024 MiB" in found["eat"].words  # type: ignore[union-attr]


@pytest.mark.usefixtures("deadly_codec")
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_who_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "SLACK", 0.5)
    told = [("sleep", DEADLY + b"sleep"), ("good", picture(4))]
    with DecoderPool(1, Limits(seconds=1.0), SIZE) as pool:
        start = time.monotonic()
        found = dict(pool.map(told))
        assert time.monotonic() - start < 60
    assert shades(found) == {"sleep": Fault.KILLER, "good": 4}
    assert "1 s" in found["sleep"].words  # type: ignore[union-attr]


@pytest.mark.usefixtures("deadly_codec")
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_the_system_itself_bounds_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "SLACK", 60)  # nobody else ends it
    with DecoderPool(1, Limits(seconds=0.2), SIZE) as pool:
        found = dict(pool.map([("spin", DEADLY + b"spin"), ("good", picture(4))]))
    assert shades(found) == {"spin": Fault.KILLER, "good": 4}


@pytest.mark.usefixtures("deadly_codec")
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_whoever_opens_pictures_cannot_write_files(tmp_path: Path) -> None:
    """A codec that was taken over has no way to keep anything."""
    with DecoderPool(1, Limits(seconds=20), SIZE) as pool:
        found = dict(pool.map([("write", DEADLY + b"write"), ("good", picture(4))]))
    assert shades(found) == {"write": Fault.KILLER, "good": 4}
    assert (tmp_path / "sitecustomize.py.stolen").read_bytes() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_a_bomb_within_the_pixels_meets_the_limit_on_memory() -> None:
    """39 million pixels are allowed; what they take is not."""
    rows = zlib.compressobj()
    body = b"".join([rows.compress(b"\x00" * (1 + 3 * 6_200)) for _ in range(6_200)]) + rows.flush()
    head = struct.pack(">IIBBBBB", 6_200, 6_200, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    )
    with DecoderPool(1, Limits(seconds=20, memory_mb=48), SIZE) as pool:
        found = dict(pool.map([("bomb", bomb), ("good", picture(4))]))
    assert shades(found) == {"bomb": Fault.KILLER, "good": 4}


# --- how it ends ----------------------------------------------------------------------------------


def test_a_closed_pool_leaves_no_process_and_takes_no_more() -> None:
    pool = DecoderPool(1, Limits(), SIZE)
    list(pool.map([(1, picture(1))]))
    process = pool._workers[0]._opener._popen  # type: ignore[union-attr]
    pool.close()
    assert process.poll() is not None
    with pytest.raises(RuntimeError, match="closed"):
        list(pool.map([(1, picture(1))]))
    pool.close()


def test_a_process_that_was_killed_while_idle_is_replaced() -> None:
    with DecoderPool(1, Limits(), SIZE) as pool:
        list(pool.map([(1, picture(1))]))
        process = pool._workers[0]._opener._popen  # type: ignore[union-attr]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert shades(dict(pool.map([(2, picture(2))]))) == {2: 2}


def test_whoever_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "__name__", "no_such_module")
    with DecoderPool(1, Limits(), SIZE) as pool, pytest.raises(EncoderUnavailable) as told:
        list(pool.map([(1, picture(1))]))
    assert "no_such_module" in str(told.value)


@pytest.mark.parametrize("interpreter", ["", "/nowhere/python"])
def test_without_an_interpreter_nothing_is_left_open(
    interpreter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "python", lambda: interpreter)
    with DecoderPool(1, Limits(), SIZE) as pool, pytest.raises((EncoderUnavailable, OSError)):
        list(pool.map([(1, picture(1))]))
    gc.collect()  # what nobody closed is a warning, and that an error


def test_it_ends_with_its_parent() -> None:
    script = """
        import os, sys
        from reco_plugin.encoders.base import Limits
        from reco_plugin.encoders.opening import Opener
        opener = Opener(Limits(), 8)
        opener.greet()
        print(opener._popen.pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    pid, until = int(told.stdout), time.monotonic() + 10
    while time.monotonic() < until and Path(f"/proc/{pid}/stat").exists():
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{pid}").exists()


def test_it_is_given_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    child = opening.Opener(Limits(), SIZE)
    try:
        child.greet()
        if sys.platform == "linux":
            told = Path(f"/proc/{child._popen.pid}/environ").read_bytes()
            assert b"hunter2" not in told
    finally:
        child.end()


def test_batches_survive_their_packing() -> None:
    pictures = [b"", b"a", bytes(range(256)) * 5]
    assert list(opener.unpacked(bytearray(b"".join(opener.packed(pictures))))) == pictures


def test_pixels_are_those_of_decode(pool: DecoderPool) -> None:
    from reco_plugin.encoders.decoding import decode

    noise = np.random.default_rng(1).integers(0, 255, (60, 40, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG")
    found = dict(pool.map([(1, out.getvalue())]))
    assert np.array_equal(found[1], decode(out.getvalue(), Limits(), SIZE))  # type: ignore[arg-type]
