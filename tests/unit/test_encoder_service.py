"""A photo's vector from a process that may be killed: answers, lateness, death, rest, forks, threads."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from reco_plugin.encoders import service as services
from reco_plugin.encoders.base import Fault, Limits, Refused
from reco_plugin.encoders.service import EncoderService, Job
from reco_plugin.exceptions import EncoderBusy, EncoderUnavailable

Image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")

ENCODERS = """
import os, signal, sys, time
import numpy as np
from reco_plugin.encoders import decoding
from reco_plugin.exceptions import EncoderUnavailable

def kills(data, limits, size):
    if b"abort" in data:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"spins" in data:
        while True:
            pass
    if b"eats" in data:
        bytearray(2**33)
    return np.zeros((size, size, 3), np.uint8)

class Fake:
    '''The mean of each colour; what it does besides stands in its file.'''
    size, dimension, fingerprint = 16, 3, "f" * 64

    def __init__(self, path, sha256, threads):
        self.word = path.read_text()
        self.calls = 0
        print("noise that is no answer")
        if self.word == "refuses":
            raise EncoderUnavailable("These weights are of another network.")
        if self.word == "breaks":
            raise KeyError("x")
        if self.word == "vanishes":
            os._exit(7)
        if self.word.startswith("starts slowly"):
            time.sleep(0.7)
        if self.word == "no pillow":
            decoding.is_installed = lambda: False
        if self.word == "kills":
            decoding.decode = kills

    def encode(self, pictures):
        self.calls += 1
        if self.calls > 1:
            self.act()
        means = pictures.reshape(len(pictures), -1, 3).mean(axis=1) + 1e-3
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)

    def act(self):
        assert not {"django", "torch", "scipy"} & set(sys.modules)
        if self.word == "fails":
            raise ZeroDivisionError("a bug of ours")
        if self.word == "late":
            time.sleep(60)
        if self.word == "slow":
            time.sleep(0.3)
        if self.word == "dies":
            print("last words", file=sys.stderr, flush=True)
            os._exit(5)
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    (tmp_path / "odd_encoders.py").write_text(ENCODERS)
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def make(word="plain", *, queue=4, **options):
        path = tmp_path / f"{len(made)}.onnx"
        path.write_text(word)
        job = Job(path=path, sha256="", encoder="odd_encoders.Fake", **options)
        made.append(EncoderService(job, queue=queue))
        return made[-1]

    yield make
    for each in made:
        each.end()


def photo(colour=(200, 40, 40), size=(40, 30), kind="PNG"):
    held = io.BytesIO()
    Image.new("RGB", size, colour).save(held, kind)
    return held.getvalue()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone_within(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive(pid):
        time.sleep(0.02)
    return not alive(pid)


def test_a_photo_has_a_vector_of_length_one(make):
    vector = make().ask(photo(), 20)
    assert vector.shape == (3,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert vector[0] > vector[1]


def test_one_process_answers_many_questions(make):
    service = make()
    red, pid = service.ask(photo(), 20), service.pid
    blue = service.ask(photo((10, 10, 250)), 20)
    assert service.pid == pid
    assert blue[2] > red[2]


def test_a_photo_that_is_none_is_refused_and_the_process_goes_on(make):
    service = make()
    refused = service.ask(b"just words", 20)
    assert isinstance(refused, Refused)
    assert refused.fault is Fault.FORMAT
    assert refused.words
    pid = service.pid
    assert isinstance(service.ask(b"", 20), Refused)
    assert service.ask(photo(), 20).shape == (3,)
    assert service.pid == pid


def test_limits_are_those_of_the_job(make):
    refused = make(limits=Limits(max_pixels=100)).ask(photo(size=(64, 64)), 20)
    assert refused.fault is Fault.BOMB


@pytest.mark.parametrize("how", [b"abort", b"spins", b"eats"])
def test_a_photo_that_kills_costs_only_itself(make, how):
    service = make("kills", limits=Limits(seconds=0.3, memory_mb=64))
    service.ask(b"plain", 20)
    refused = service.ask(how, 20)
    assert refused.fault is Fault.KILLER
    assert service.ask(b"plain", 20).shape == (3,)


def test_who_is_late_is_killed_and_replaced(make):
    service = make("late")
    service.start()
    wait_ready(service)
    pid, began = service.pid, time.monotonic()
    with pytest.raises(EncoderBusy, match="in time"):
        service.ask(photo(), 0.4)
    assert time.monotonic() - began < 2
    assert gone_within(pid, 2)
    service.job.path.write_text("plain")
    assert service.ask(photo(), 20).shape == (3,)


def wait_ready(service):
    """Until it answers what it is asked: a word is no photo."""
    assert isinstance(service.ask(b"?", 20), Refused)


def test_a_process_that_dies_of_itself_is_no_fault_of_the_photo(make):
    service = make("dies")
    with pytest.raises(EncoderUnavailable, match=r"exit code 5: last words"):
        service.ask(photo(), 20)
    service.job.path.write_text("plain")
    assert service.ask(photo(), 20).shape == (3,)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("refuses", "another network"),
        ("breaks", "x"),
        ("vanishes", "exit code 7"),
        ("no pillow", "Pillow is not installed"),
    ],
)
def test_one_that_cannot_start_says_why_and_is_not_tried_again_at_once(make, word, words):
    service = make(word)
    with pytest.raises(EncoderUnavailable, match=words):
        service.ask(photo(), 20)
    service.job.path.write_text("plain")
    began = time.monotonic()
    with pytest.raises(EncoderUnavailable, match=words):
        service.ask(photo(), 20)
    assert time.monotonic() - began < 0.2
    assert service.pid is None


def test_one_that_is_starting_says_so_and_is_left_to_start(make):
    service = make("starts slowly")
    with pytest.raises(EncoderBusy, match="starting"):
        service.ask(photo(), 0.2)
    pid = service.pid
    assert service.ask(photo(), 20).shape == (3,)
    assert service.pid == pid


def test_one_that_never_starts_is_given_up(make, monkeypatch):
    monkeypatch.setattr(services, "START_SECONDS", 0.2)
    service = make("starts slowly")
    with pytest.raises(EncoderUnavailable, match="not ready"):
        service.ask(photo(), 20)
    assert service.pid is None


def test_a_short_queue_and_no_more(make):
    service = make("slow", queue=1)
    wait_ready(service)
    results = []

    def ask():
        try:
            results.append(service.ask(photo(), 20).shape)
        except EncoderBusy:
            results.append("busy")

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count((3,)) == 2
    assert results.count("busy") == 3


def test_who_waits_past_the_deadline_is_told_and_nobody_is_killed(make):
    service = make("slow")
    wait_ready(service)
    pid = service.pid
    first = threading.Thread(target=service.ask, args=(photo(), 20))
    first.start()
    time.sleep(0.05)
    with pytest.raises(EncoderBusy):
        service.ask(photo(), 0.1)
    first.join()
    assert service.pid == pid


def test_a_fault_of_ours_is_no_fault_of_the_photo(make):
    with pytest.raises(EncoderUnavailable, match="a bug of ours"):
        make("fails").ask(photo(), 20)


def test_under_an_event_loop(make):
    service = make(queue=1)

    async def ask(count):
        asked = [asyncio.to_thread(service.ask, photo(), 20) for _ in range(count)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(ask(2))
    assert [each.shape for each in found] == [(3,), (3,)]
    found = asyncio.run(ask(6))
    assert all(isinstance(each, EncoderBusy) or each.shape == (3,) for each in found)


def test_one_that_keeps_dying_is_left_alone_for_a_while(make, monkeypatch):
    monkeypatch.setattr(services, "PAUSES", (0.0, 0.0, 60.0))
    service = make("dies")
    for _ in range(2):
        with pytest.raises(EncoderUnavailable, match="exit code 5"):
            service.ask(photo(), 20)
    with pytest.raises(EncoderUnavailable, match="tried again in"):
        service.ask(photo(), 20)
    assert service.pid is None


def test_photos_that_kill_keep_nobody_waiting(make, monkeypatch):
    monkeypatch.setattr(services, "PAUSES", (0.0, 60.0))
    service = make("kills")
    assert service.ask(b"abort", 20).fault is Fault.KILLER
    assert service.ask(b"plain", 20).shape == (3,)


def test_it_rests_when_nobody_asks_and_comes_back(make):
    service = make(idle=0.2)
    service.ask(photo(), 20)
    pid = service.pid
    assert gone_within(pid, 5)
    assert service.ask(photo(), 20).shape == (3,)
    assert service.pid != pid


def test_closing_waits_for_whoever_asks(make):
    service = make("slow")
    wait_ready(service)
    pid, results = service.pid, []
    asking = threading.Thread(target=lambda: results.append(service.ask(photo(), 20)))
    asking.start()
    time.sleep(0.05)
    service.close()
    asking.join()
    assert results[0].shape == (3,)
    assert gone_within(pid, 2)


def test_it_dies_with_its_parent(make, tmp_path):
    script = f"""
import sys, time
sys.path[:0] = [{str(tmp_path)!r}]
from pathlib import Path
from reco_plugin.encoders.service import EncoderService, Job
path = Path({str(tmp_path)!r}) / "own.onnx"
path.write_text("plain")
service = EncoderService(Job(path=path, sha256="", encoder="odd_encoders.Fake"))
service.ask(b"?", 20)
print(service.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert gone_within(pid, 3)


def test_after_a_fork_each_process_has_its_own(make, tmp_path):
    service = make()
    service.ask(photo(), 20)
    pid = service.pid
    told = tmp_path / "told"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are threads is what is tried here
        forked = os.fork()
    if not forked:
        try:
            before = service.pid
            shape = service.ask(photo(), 20).shape
            told.write_text(f"{before} {shape} {service.pid != pid}")
            service.end()
        finally:
            os._exit(0)
    os.waitpid(forked, 0)
    assert told.read_text() == "None (3,) True"
    assert service.pid == pid
    assert service.ask(photo(), 20).shape == (3,)


def test_it_is_given_none_of_the_shops_secrets(make, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "hush")
    service = make()
    service.ask(photo(), 20)
    assert b"hush" not in Path(f"/proc/{service.pid}/environ").read_bytes()


def test_nothing_of_a_photo_is_kept_on_disk(make):
    service = make()
    service.ask(photo(), 20)
    held = Path(f"/proc/{service.pid}/fd")
    names = [os.readlink(each) for each in held.iterdir()]
    assert not [
        name
        for name in names
        if name.startswith("/")
        and "/dev/" not in name
        and "#" not in name
        and "deleted" not in name
    ]


def test_a_shop_that_takes_warnings_for_errors_opens_odd_photos_too(make, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error::UserWarning")
    held = io.BytesIO()
    odd = b"Exif\x00\x00II*\x00\xff\xff\xff\xff garbage"
    Image.new("RGB", (40, 30), (200, 40, 40)).save(held, "JPEG", exif=odd)
    assert make().ask(held.getvalue(), 20).shape == (3,)
