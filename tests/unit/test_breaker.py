"""The circuit breaker: closed, open, half open with one probe, and closed again."""

from __future__ import annotations

import os
import threading

import pytest
from django.db import DataError, InterfaceError, OperationalError
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.breaker import JITTER, Breaker, Refused, State, breaker, states
from reco_plugin.signals import breaker_changed


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _numbers(settings):
    settings.RECO_BREAKER_FAILURES = 3
    settings.RECO_BREAKER_SECONDS = 10.0


@pytest.fixture
def heard():
    found: list[str] = []

    def listen(sender, name, state, **_):
        found.append(f"{name}: {state}")

    breaker_changed.connect(listen)
    yield found
    breaker_changed.disconnect(listen)


def fail(tried: Breaker, error: Exception | None = None) -> None:
    error = error or OperationalError("no route to host")
    with pytest.raises(type(error)), tried.guard():
        raise error


def test_it_opens_after_failures_in_a_row_and_closes_after_a_probe(clock, heard, caplog):
    tried = Breaker("reads of x", clock)
    for _ in range(2):
        fail(tried)
    with tried.guard():
        pass  # one success in between: they are no longer in a row
    for _ in range(3):
        assert tried.state is State.CLOSED
        fail(tried)
    assert tried.state is State.OPEN
    assert 10 <= tried.seconds_left <= 10 * (1 + JITTER)
    with pytest.raises(Refused, match="reads of x are given up for 1"), tried.guard():
        pytest.fail("nothing may be tried")
    clock.now += 10 * (1 + JITTER)
    with tried.guard():
        assert tried.state is State.HALF_OPEN
    assert tried.state is State.CLOSED
    assert heard == ["reads of x: open", "reads of x: half_open", "reads of x: closed"]
    said = [record.reco for record in caplog.records]
    assert said[0] == {"breaker": "reads of x", "state": "open"}


def test_a_probe_that_fails_opens_it_anew(clock, heard):
    tried = Breaker("x", clock)
    for _ in range(3):
        fail(tried)
    clock.now += 12.5
    fail(tried)
    assert tried.state is State.OPEN
    assert not tried.allows()
    clock.now += 12.5
    assert tried.allows()


def test_there_is_one_probe_at_a_time(clock):
    tried = Breaker("x", clock)
    for _ in range(3):
        fail(tried)
    clock.now += 12.5
    assert [tried.allows() for _ in range(4)] == [True, False, False, False]
    clock.now += 100  # the probe's thread has died
    assert [tried.allows() for _ in range(2)] == [True, False]


def test_only_one_of_many_threads_is_the_probe(clock):
    tried = Breaker("x", clock)
    for _ in range(3):
        fail(tried)
    clock.now += 12.5
    start, allowed = threading.Barrier(16), []

    def ask() -> None:
        start.wait()
        allowed.append(tried.allows())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 1


@pytest.mark.parametrize("error", [ValueError("a bug"), DataError("too long"), KeyError("hook")])
def test_a_bug_is_no_outage(clock, error):
    tried = Breaker("x", clock)
    for _ in range(9):
        fail(tried, error)
    assert (tried.state, tried.failures) == (State.CLOSED, 0)
    for _ in range(3):
        fail(tried)
    clock.now += 12.5
    fail(tried, error)
    assert tried.state is State.HALF_OPEN
    assert tried.allows(), "the bug told nothing: the next one may be the probe"


@given(st.lists(st.sampled_from(["good", "out", "bug", "wait"]), max_size=60))
def test_it_always_comes_back(events):
    """Whatever happened: one pause and one success later it is closed, and refuses nothing when closed."""
    clock = Clock()
    tried = Breaker("x", clock)
    errors = {"out": InterfaceError("closed"), "bug": ValueError("x"), "good": None}
    for event in events:
        if event == "wait":
            clock.now += 12.5
            continue
        was = tried.state
        try:
            with tried.guard():
                if errors[event]:
                    raise errors[event]
        except Refused:
            assert was is not State.CLOSED
        except (InterfaceError, ValueError):
            pass
    clock.now += 12.5
    with tried.guard():
        pass
    assert tried.state is State.CLOSED


def test_they_are_told_apart_by_subject_and_database():
    reads = breaker("reads", "default")
    assert breaker("reads", "default") is reads
    assert breaker("writes", "default") is not reads
    for _ in range(3):
        reads.failed()
    assert states()["reads of default"] is State.OPEN
    assert states()["writes of default"] is State.CLOSED


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_r06_a_forked_child_starts_closed_even_if_the_lock_was_held():
    parent = breaker("reads", "default")
    for _ in range(3):
        parent.failed()
    with parent._lock:
        child = os.fork()
        if child == 0:
            fine = parent.state is State.CLOSED and parent._lock.acquire(timeout=1)
            os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert parent.state is State.OPEN
