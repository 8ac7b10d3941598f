"""The numpy store's memory: what is best, what is kept, what a fork inherits."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reco_plugin.stores.memory import Cache, Space, best


@dataclass
class Loaded:
    nbytes: int


def cache(limit=100, fresh=60.0):
    return Cache(fresh_seconds=fresh, limit_bytes=lambda: limit)


@given(
    hnp.arrays(
        np.float32, st.integers(0, 40), elements=st.floats(-5, 5, width=32) | st.just(np.nan)
    ),
    st.integers(1, 50),
)
def test_best_is_a_sort_cut_off(scores, k):
    usable = [row for row in range(len(scores)) if not np.isnan(scores[row])]
    expected = sorted(usable, key=lambda row: -scores[row])[:k]
    assert [scores[row] for row in best(scores, k)] == [scores[row] for row in expected]
    assert best(scores, k) == expected


def test_cosines_of_a_vector_without_direction_are_no_numbers():
    folded = np.array([[1, 0, 9], [0, 0, 9], [-2, 0, 9]], dtype=np.float32)
    found = Space(keys=["a", "b", "c"], folded=folded).cosines(0)
    assert found[[0, 2]] == pytest.approx([1, -1])
    assert np.isnan(found[1])


def test_a_value_is_loaded_once():
    loads = []
    kept = cache()

    def load(old):
        loads.append(old)
        return Loaded(1)

    assert kept.get("a", load) is kept.get("a", load)
    assert loads == [None]


def test_an_expired_value_is_asked_about():
    kept = cache()
    first = kept.get("a", lambda old: Loaded(1))
    kept.expire("a")
    assert kept.get("a", lambda old: old) is first


def test_the_least_recently_used_goes_first_and_one_always_stays():
    kept = cache(limit=25)
    for name in "abc":
        kept.get(name, lambda old: Loaded(10))
        kept.get("a", lambda old: Loaded(10))
    loads = []
    for name in "acb":
        kept.get(name, lambda old, name=name: loads.append(name) or Loaded(10))
    assert loads == ["b"]
    assert kept.get("huge", lambda old: Loaded(1000)).nbytes == 1000
    assert kept.get("huge", lambda old: pytest.fail("loaded again")).nbytes == 1000


def test_a_failed_load_is_tried_again():
    kept = cache()

    def fail(old):
        raise LookupError("no such run")

    with pytest.raises(LookupError):
        kept.get("a", fail)
    assert kept.get("a", lambda old: Loaded(1)).nbytes == 1


def test_threads_that_want_one_run_load_it_once():
    kept, loads, gate = cache(), [], threading.Barrier(8)

    def load(old):
        loads.append(1)
        return Loaded(1)

    def want():
        gate.wait()
        kept.get("a", load)

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_is_not_locked_out():
    kept = cache()
    kept.get("a", lambda old: Loaded(1))
    with kept._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if kept.get("a", lambda old: Loaded(7)).nbytes == 7 else 1)
        assert os.waitpid(child, 0)[1] == 0
