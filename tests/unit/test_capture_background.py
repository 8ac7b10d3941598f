"""The counters and the background thread: bounded, fork-aware, never in the way."""

from __future__ import annotations

import os
import threading

import pytest

from reco_plugin.capture import background
from reco_plugin.capture.bots import _is_bot
from reco_plugin.capture.drops import MOST_KEYS, Counts


@pytest.fixture
def worker():
    worker = background.Worker(capacity=3, linger=0.05)
    yield worker
    assert worker.join(5)


def test_work_is_done_in_order(worker):
    done: list[int] = []
    assert worker.submit(lambda: done.append(1))
    assert worker.submit(lambda: done.append(2))
    assert worker.join(5)
    assert done == [1, 2]


def test_an_idle_thread_ends_and_a_new_one_starts(worker):
    threads: list[threading.Thread] = []
    for _ in range(2):
        worker.submit(lambda: threads.append(threading.current_thread()))
        assert worker.join(5)
    assert threads[0] is not threads[1]
    assert not any(thread.is_alive() for thread in threads)


def test_a_failure_does_not_stop_what_follows(worker):
    done: list[int] = []
    worker.submit(lambda: 1 / 0)
    worker.submit(lambda: done.append(1))
    assert worker.join(5)
    assert done == [1]


def test_submitting_never_blocks(worker):
    gate, began = threading.Event(), threading.Event()
    worker.submit(lambda: (began.set(), gate.wait(5)))
    began.wait(5)
    assert [worker.submit(lambda: None) for _ in range(5)] == [True] * 3 + [False] * 2
    gate.set()


def test_joining_does_not_wait_for_the_linger():
    slow = background.Worker(linger=60)
    slow.submit(lambda: None)
    assert slow.join(5)


def test_counts_from_many_threads_add_up():
    counts = Counts()

    def add() -> None:
        for _ in range(1_000):
            counts.add("bot", 1, 1)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.take() == {(1, "bot"): 8_000}
    assert counts.pending() == {}


def test_counts_are_bounded():
    counts = Counts()
    for n in range(MOST_KEYS + 50):
        counts.add(f"reason {n}", 1, 1)
    assert len(counts.pending()) == MOST_KEYS + 1
    assert counts.pending()[1, "other"] == 50


def test_counts_that_could_not_be_written_are_kept():
    counts = Counts()
    counts.add("bot", 1, 2)
    counts.put_back(counts.take())
    assert counts.pending() == {(1, "bot"): 2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_forked_child_starts_from_zero():
    from reco_plugin.capture import drops

    drops.count("before the fork", 9)
    child = os.fork()
    if child == 0:
        fine = drops.pending() == {} and background.submit(lambda: None) and background.join(5)
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert drops.pending()[9, "before the fork"] == 1


@pytest.mark.parametrize(
    ("agent", "is_bot"),
    [
        ("", True),
        ("   ", True),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", True),
        ("curl/8.5.0", True),
        ("python-requests/2.32.0", True),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", False),
    ],
)
def test_bots(agent, is_bot):
    assert _is_bot(agent) is is_bot
