"""A child that is spoken to, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reco_plugin.children import process as children
from reco_plugin.children.environment import environment
from reco_plugin.children.obituary import Advice
from reco_plugin.children.process import Process, workplace
from reco_plugin.exceptions import EncoderBusy, EncoderUnavailable

ADVICE = Advice(
    process="test process",
    memory_setting="NO_SETTING",
    less="ask for less",
    time="Give it more time.",
    again="Start it again.",
)
WORK = """
import sys
from reco_plugin.children import life
from reco_plugin.exceptions import EncoderBusy

def echo(folder, job, voice):
    for line in sys.stdin.buffer:
        if line == b"end\\n":
            return "done"
        if line == b"busy\\n":
            raise EncoderBusy("not now")
        if line == b"gone\\n":
            sys.exit(7)
        voice.say(heard=line.decode().strip())
    life.orphaned(folder)

def talk(folder, job, voice):
    for number in range(job["times"]):
        voice.say(number=number)
    return job["times"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where children work; nothing may be left in it."""
    (tmp_path / "odd_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    place = tmp_path / "place"
    yield place
    assert not list(place.iterdir())


def start(place, do="echo", **job):
    spoken = do == "echo"
    told = {"do": f"odd_work.{do}", **job}
    return Process(place, told, advice=ADVICE, failure=EncoderUnavailable, is_spoken_to=spoken)


def say(process, *words):
    process.stdin.write("".join(f"{word}\n" for word in words).encode())
    process.stdin.flush()


def test_it_hears_and_answers_until_the_end(folder):
    with workplace(folder, "test-") as place, start(place) as process:
        say(process, "one")
        assert process.hear(20) == {"heard": "one"}
        say(process, "two", "end")
        assert list(process.messages(20)) == [{"heard": "two"}, {"result": "done"}]


def test_what_it_refuses_is_the_same_error_here(folder):
    with workplace(folder, "test-") as place, start(place) as process:
        say(process, "busy")
        with pytest.raises(EncoderBusy, match="not now") as caught:
            process.hear(20)
    assert caught.value.__notes__[0].startswith("In the test process:\nTraceback")


def test_its_death_is_told_in_the_words_of_its_kind(folder):
    with workplace(folder, "test-") as place, start(place) as process:
        say(process, "gone")
        with pytest.raises(EncoderUnavailable, match="The test process ended with exit code 7"):
            process.hear(20)


def test_one_that_does_not_answer_in_time_is_ended(folder):
    with (
        workplace(folder, "test-") as place,
        pytest.raises(EncoderUnavailable, match=r"after 0.2 s, its time limit. Give it more time."),
        start(place) as process,
    ):
        process.hear(0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_one_that_nobody_listens_to_any_more_is_let_go_of(folder, monkeypatch):
    monkeypatch.setattr(children, "AHEAD", 3)
    with workplace(folder, "test-") as place:
        with start(place, "talk", times=50_000) as process:
            assert process.hear(20) == {"number": 0}
        assert not process._reader.is_alive()


def test_one_that_is_spoken_to_notices_that_its_parent_is_gone(folder):
    with workplace(folder, "test-") as place:
        job = {"do": "odd_work.echo", "threads": 1, "memory_mb": 0, "is_spoken_to": True}
        (place / children.JOB).write_text(json.dumps(job))
        running = subprocess.Popen(
            [sys.executable, "-m", "reco_plugin.children", str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(1),
        )
        running.stdin.close()
        assert running.wait(30) == 1
        assert not place.exists()
        running.stdout.close()


def test_a_caller_that_is_interrupted_leaves_no_process(folder):
    with pytest.raises(KeyboardInterrupt), workplace(folder, "test-") as place, start(place) as it:
        raise KeyboardInterrupt
    assert it._popen.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)


def test_it_speaks_of_the_memory_it_had(folder):
    with workplace(folder, "test-") as place, start(place) as process:
        say(process, "one")
        process.hear(20)
        end = time.monotonic() + 10
        while (process.peak_mib or 0) < 2 and time.monotonic() < end:  # the first look: just begun
            say(process, "again")
            process.hear(20)
    assert process.peak_mib is None or 1 < process.peak_mib < 1_000
    assert not Path(f"/proc/{process.pid}/status").exists()
