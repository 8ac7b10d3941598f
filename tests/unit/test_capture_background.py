"""The counters and the background thread: bounded, fork-aware, never in the way."""

from __future__ import annotations

import os
import threading
import time

import pytest
from django.db import OperationalError

from reco_plugin.breaker import Refused
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


@pytest.mark.parametrize("name", ["close_old_connections", "_let_go"])
def test_a_connection_that_cannot_be_closed_ends_no_thread(worker, monkeypatch, name):
    """Else what is queued from then on would wait for ever."""
    done: list[int] = []
    broken = iter([True])

    def close(*_: object) -> None:
        if next(broken, False):
            raise OperationalError("the server closed the connection unexpectedly")

    if name == "_let_go":
        monkeypatch.setattr(background.connections, "close_all", close, raising=False)
    else:
        monkeypatch.setattr(background, name, close)
        monkeypatch.setattr(background, "PAUSES", (0.01,))
    for number in range(2):
        worker.submit(lambda number=number: done.append(number))
        time.sleep(0.1)
    assert worker.join(5)
    assert done == [0, 1]


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


def test_where_no_thread_can_be_started_nothing_is_left_queued(monkeypatch):
    """It was counted as lost: done later, it would have been counted wrongly."""
    from reco_plugin.capture import drops

    done: list[int] = []
    monkeypatch.setattr(background, "_worker", background.Worker(linger=0.1))

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = drops.pending().get((1, "no_thread"), 0)
    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", refuse)
        assert not background.submit(lambda: done.append(1))
    assert drops.pending()[1, "no_thread"] == before + 1
    assert background.submit(lambda: done.append(2))
    assert background.join(5)
    assert done == [2]


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


# --- what failed is tried again ------------------------------------------------------------------


class Failing:
    """Raises `error` so many times, then does its work."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.tries, self.done = error, times, 0, threading.Event()

    def __call__(self) -> None:
        self.tries += 1
        if self.tries <= self.times:
            raise self.error
        self.done.set()


@pytest.fixture
def pauses(monkeypatch):
    monkeypatch.setattr(background, "PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(background, "REFUSED_SECONDS", 0.01)


@pytest.fixture
def lost():
    from reco_plugin.signals import events_dropped

    heard: list[tuple[str, int, int]] = []

    def listen(sender, reason, site, count, **_):
        heard.append((reason, site, count))

    events_dropped.connect(listen)
    yield heard
    events_dropped.disconnect(listen)


def test_work_is_tried_again_while_the_database_is_out(worker, pauses, lost):
    work = Failing(OperationalError("no route to host"), times=3)
    worker.submit(work, site=2, size=5)
    assert work.done.wait(5)
    assert (work.tries, lost) == (4, [])


def test_after_the_last_try_it_is_dropped_and_counted(worker, pauses, lost):
    work = Failing(OperationalError("no route to host"), times=99)
    worker.submit(work, site=2, size=5)
    deadline = time.monotonic() + 5
    while not lost and time.monotonic() < deadline:
        time.sleep(0.005)
    assert (work.tries, lost) == (4, [("write_failed", 2, 5)])


def test_a_bug_is_not_tried_again(worker, pauses, lost):
    work = Failing(ValueError("a bug"), times=99)
    worker.submit(work)
    assert worker.join(5)
    assert (work.tries, lost) == (1, [("error", 1, 1)])


def test_what_an_open_breaker_refuses_uses_up_no_try(worker, pauses, lost):
    work = Failing(Refused("writes of x", 0.0), times=20)
    worker.submit(work)
    assert work.done.wait(5)
    assert lost == []


def test_while_the_breaker_is_open_one_refusal_speaks_for_all(worker, monkeypatch):
    """Asking each of a thousand every other second would take the requests' own time."""
    monkeypatch.setattr(background, "REFUSED_SECONDS", 0.3)
    waiting = [Failing(Refused("writes of x", 0.0), times=1) for _ in range(3)]
    for work in waiting:
        worker.submit(work)
    deadline = time.monotonic() + 5
    while not sum(work.tries for work in waiting) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.1)
    assert sum(work.tries for work in waiting) == 1
    assert len(worker) == 3


def test_what_is_too_old_is_dropped(worker, pauses, lost, monkeypatch):
    monkeypatch.setattr(background, "OLDEST_SECONDS", 0.05)
    work = Failing(Refused("writes of x", 0.0), times=10_000)
    worker.submit(work, size=3)
    deadline = time.monotonic() + 5
    while not lost and time.monotonic() < deadline:
        time.sleep(0.005)
    assert lost == [("database_out", 1, 3)]


def test_r06_at_its_end_a_process_tries_all_once_and_waits_for_no_pause(worker, lost):
    late, failing = Failing(OSError(), times=0), Failing(OperationalError("down"), times=99)
    worker.submit(late, delay=60)
    worker.submit(failing, delay=60, size=2)
    began = time.monotonic()
    assert worker.join(5)
    assert time.monotonic() - began < 2
    assert late.done.is_set()
    assert (failing.tries, lost) == (1, [("write_failed", 1, 2)])


def test_a_delay_holds_back_only_what_it_was_given_for(worker):
    done: list[str] = []
    worker.submit(lambda: done.append("late"), delay=0.2)
    worker.submit(lambda: done.append("now"))
    deadline = time.monotonic() + 5
    while len(done) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert done == ["now", "late"]


def test_the_queue_is_bounded_in_events_counted(worker, lost):
    gate, began = threading.Event(), threading.Event()
    worker.submit(lambda: (began.set(), gate.wait(5)))
    began.wait(5)
    for _ in range(4):
        worker.submit(lambda: None, size=10)
    gate.set()
    assert lost == [("queue_full", 1, 10)]
