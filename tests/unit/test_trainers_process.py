"""The training process: what comes back, how it dies, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from reco_plugin.children import process as children
from reco_plugin.children.environment import environment
from reco_plugin.exceptions import NotEnoughData, TrainingFailed
from reco_plugin.testing.trainers import planted_dataset, small_dataset
from reco_plugin.trainers import child, packing, process
from reco_plugin.trainers.lightfm import LightFM

QUICK = {"dimensions": 8, "epochs": 3}

TRAINERS = """
import os, signal, subprocess, sys, time
import numpy as np
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.trainers.base import Learnt

class Base:
    name = "base"
    def __init__(self, config=None):
        self.config = dict(config or {})
    def learnt(self, dataset, notes=()):
        n, m = dataset.interactions.shape
        zeros = lambda *shape: np.zeros(shape, np.float32)
        return Learnt(item_vectors=zeros(m, 2), item_biases=zeros(m), shopper_vectors=zeros(n, 2),
            feature_vectors=zeros(0, 2), feature_biases=zeros(0), epochs=1, notes=notes)

class Tells(Base):
    def fit(self, dataset, *, seed, threads, progress=None):
        print("noise on stdout")
        os.system("echo noise from a library")
        told = (str("django" in sys.modules), os.environ["OMP_NUM_THREADS"], str(seed), str(os.getpid()),
            str(os.getpgid(0)))
        return self.learnt(dataset, told)

class Signals(Base):
    def fit(self, dataset, *, seed, threads, progress=None):
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), self.config["signal"])
        time.sleep(5)

class Sleeps(Base):
    def fit(self, dataset, *, seed, threads, progress=None):
        while True:
            progress("train", 1, 1)
            time.sleep(0.01)

class Stubborn(Base):
    def fit(self, dataset, *, seed, threads, progress=None):
        shell = subprocess.Popen(["sh", "-c", "trap '' TERM; echo ready; sleep 60"], stdout=subprocess.PIPE)
        shell.stdout.readline()
        progress("train", shell.pid, shell.pid)
        time.sleep(60)

class Eats(Base):
    def fit(self, dataset, *, seed, threads, progress=None):
        np.ones(2**27)

class Breaks(Base):
    def fit(self, dataset, *, seed, threads, progress=None):
        raise {"key": KeyError("x"), "value": ValueError("bad value"), "exit": SystemExit(4),
            "little": NotEnoughData("too little"), "recursion": RecursionError("deep")}[self.config["how"]]

class Lingers(Base):
    def fit(self, dataset, *, seed, threads, progress=None):
        import gc, io
        for file in gc.get_objects():
            if isinstance(file, io.TextIOWrapper) and file.fileno() > 2 and file.writable():
                file.close()
        time.sleep(60)

class Vanishes(Base):
    def fit(self, dataset, *, seed, threads, progress=None):
        os._exit(0)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where trainings happen; nothing may be left in it."""
    (tmp_path / "odd_trainers.py").write_text(TRAINERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_trainers", raising=False)
    place = tmp_path / "place"
    yield place
    assert not list(place.iterdir())


def train(folder, name, config=None, **options):
    dataset = small_dataset([[1, 0, 2], [0, 1, 0]])
    return process.run(f"odd_trainers.{name}", config, dataset, folder=folder, **options)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def gone_within(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive(pid):
        time.sleep(0.05)
    return not alive(pid)


# --- what comes back -----------------------------------------------------------------------------


@pytest.mark.lightfm
def test_lightfm_learns_the_same_there_as_here(folder):
    dataset = planted_dataset()
    heard = []
    found = process.run(
        "lightfm", QUICK, dataset, seed=3, folder=folder, progress=lambda *step: heard.append(step)
    )
    expected = LightFM(QUICK).fit(dataset, seed=3, threads=1)
    assert np.array_equal(found.item_vectors, expected.item_vectors)
    assert found.history == expected.history
    assert heard[0] == ("load", 0, 1)
    assert heard[-1] == ("train", 3, 3)


@pytest.mark.lightfm
def test_lightfm_in_several_threads(folder):
    found = process.run("lightfm", QUICK, planted_dataset(), threads=2, folder=folder)
    assert np.isfinite(found.item_vectors).all()


def test_the_child_knows_no_django_and_its_threads_and_has_a_group_of_its_own(folder):
    found = train(folder, "Tells", seed=5, threads=3)
    django, threads, seed, pid, group = found.notes
    assert (django, threads, seed) == ("False", "3", "5")
    assert pid == group != str(os.getpgid(0))
    assert not alive(int(pid))


# --- refusals ------------------------------------------------------------------------------------


def test_a_wrong_configuration_starts_no_process(monkeypatch, tmp_path):
    monkeypatch.setattr(children.subprocess, "Popen", None)
    with pytest.raises(ValueError, match="Did you mean 'epochs'"):
        process.run("lightfm", {"epoch": 1}, planted_dataset(), folder=tmp_path)
    with pytest.raises(ValueError, match="no trainer 'lightfn'"):
        process.run("lightfn", {}, planted_dataset(), folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.lightfm
def test_too_little_data_is_the_same_error_here(folder):
    with pytest.raises(NotEnoughData, match="no positive interaction"):
        process.run("lightfm", QUICK, small_dataset(np.zeros((2, 2))), folder=folder)
    with pytest.raises(NotEnoughData, match="too little") as caught:
        train(folder, "Breaks", {"how": "little"})
    assert "in fit" in caught.value.__notes__[0]


def test_a_value_error_comes_with_its_traceback(folder):
    with pytest.raises(ValueError, match="bad value") as caught:
        train(folder, "Breaks", {"how": "value"})
    assert "Traceback" in caught.value.__notes__[0]


# --- deaths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGKILL, r"killed by SIGKILL, probably for lack of memory .*it used \d+ MiB"),
        (signal.SIGILL, "killed by SIGILL: the installed lightfm was compiled for another CPU"),
        (signal.SIGSEGV, "killed by SIGSEGV: a compiled library crashed"),
        (signal.SIGTERM, "killed by SIGTERM: someone or a shutdown ended it"),
    ],
)
def test_a_signal_is_named(folder, number, said):
    with pytest.raises(TrainingFailed, match=said) as caught:
        train(folder, "Signals", {"signal": int(number)})
    assert str(caught.value).endswith("last words")


@pytest.mark.parametrize(
    ("how", "said"),
    [("key", "exit code 1.*KeyError: 'x'"), ("exit", "exit code 4"), ("recursion", "deep")],
)
def test_an_exit_code_and_the_last_words_are_told(folder, how, said):
    with pytest.raises(TrainingFailed, match=f"(?s){said}"):
        train(folder, "Breaks", {"how": how})


def test_an_end_without_a_result_is_told(folder):
    with pytest.raises(TrainingFailed, match="ended without a result"):
        train(folder, "Vanishes")


def test_a_child_that_falls_silent_but_lingers_is_ended(folder, monkeypatch):
    monkeypatch.setattr(children, "GRACE", 0.2)
    with pytest.raises(TrainingFailed, match=r"killed by SIG(TERM|KILL)"):
        train(folder, "Lingers")


def test_r14_the_memory_limit_is_told(folder):
    with pytest.raises(TrainingFailed, match=r"ran out of memory.* its limit was 300 MiB"):
        train(folder, "Eats", memory_mb=300)


def test_the_time_limit_holds_for_a_child_that_talks_all_the_time(folder):
    began = time.monotonic()
    with pytest.raises(TrainingFailed, match="ended after 1 s, its time limit"):
        train(folder, "Sleeps", timeout=1)
    assert time.monotonic() - began < 30


def test_the_whole_group_is_ended(folder):
    heard = []

    def stop(stage, done, total):
        if stage == "train":
            heard.append(done)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train(folder, "Stubborn", progress=stop)
    assert gone_within(heard[0], 30)


def test_an_error_in_the_callers_progress_ends_the_child(folder):
    def angry(*_):
        raise RuntimeError("angry")

    with pytest.raises(RuntimeError, match="angry"):
        train(folder, "Sleeps", progress=angry)


def test_a_changed_result_is_refused(folder, monkeypatch):
    told = [{"result": "0" * 64}]
    monkeypatch.setattr(children.Process, "messages", lambda *_: iter(told))
    with pytest.raises(TrainingFailed, match="left no usable result"):
        train(folder, "Tells")


def test_an_interpreter_that_does_not_know_itself(folder, monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(TrainingFailed, match=r"sys.executable is empty"):
        train(folder, "Tells")


def test_lightfm_missing_in_the_child_names_the_extra(folder, tmp_path):
    (tmp_path / "lightfm.py").write_text("raise ModuleNotFoundError(name='lightfm')")
    with pytest.raises(TrainingFailed, match=r"pip install django-reco-plugin\[lightfm\]"):
        process.run("lightfm", QUICK, planted_dataset(), folder=folder)


# --- the child alone -----------------------------------------------------------------------------


def start_child(place, trainer="odd_trainers.Sleeps", **options):
    digest = packing.save_dataset(place / child.DATASET, small_dataset([[1]]))
    job = {"do": child.DO, "trainer": trainer, "config": {}, "seed": 0, "threads": 1}
    (place / children.JOB).write_text(json.dumps({**job, "memory_mb": 0, "sha256": digest}))
    return subprocess.Popen(
        [sys.executable, "-m", "reco_plugin.children", str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(1),
        **options,
    )


@pytest.fixture
def place(folder):
    folder.mkdir()
    place = folder / "alone"
    place.mkdir()
    return place


def until_training(running):
    for line in running.stdout:
        if b'"train"' in line:
            return


def test_the_child_ends_and_cleans_up_when_its_parent_is_gone(place):
    running = start_child(place)
    until_training(running)
    running.stdin.close()
    assert running.wait(30) == 1
    assert not place.exists()
    running.stdout.close()


def test_a_parent_killed_outright_takes_its_child_along(folder, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys\n"
        "from reco_plugin.trainers import process\n"
        "from reco_plugin.testing.trainers import small_dataset\n"
        "process.run('odd_trainers.Sleeps', {}, small_dataset([[1]]), folder=sys.argv[1],\n"
        "    progress=lambda *step: print(*step, flush=True))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE,
        env=environment(1),
    )
    for line in parent.stdout:
        if b"train" in line:
            break
    pids = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    parent.kill()
    parent.wait(30)
    parent.stdout.close()
    assert len(pids) == 1
    assert gone_within(int(pids[0]), 30)


def test_a_child_that_nobody_hears_clears_its_folder(folder, place):
    """It may notice when it speaks, before the end of stdin has woken the thread that waits for it."""
    running = start_child(place)
    until_training(running)
    running.stdout.close()
    assert running.wait(30) == 1
    assert not list(folder.iterdir())
    running.stdin.close()


def test_sigterm_ends_the_child_at_once_and_leaves_nothing_half_written(place):
    running = start_child(place)
    until_training(running)
    (place / "result.npz.x.part").write_bytes(b"half")
    running.terminate()
    assert running.wait(30) == 128 + signal.SIGTERM
    assert sorted(path.name for path in place.iterdir()) == [child.DATASET, children.JOB]
    running.stdin.close()
    running.stdout.close()
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
