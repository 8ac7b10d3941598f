"""The time of a slate: each statement a limit, all of them an allowance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.serving.reads import ALLOWANCE, STEP, Allowance


def takes(seconds: float):
    def execute(*_):
        now[0] += seconds
        return "answer"

    return execute


now = [0.0]


def allowed(milliseconds: int) -> Allowance:
    return Allowance(milliseconds, clock=lambda: now[0])


def test_a_quick_database_has_the_whole_limit_for_each_statement():
    allowance = allowed(150)
    for _ in range(10):
        assert allowance(takes(0.004), "", (), False, {}) == "answer"
    assert allowance.milliseconds == 150
    assert allowance.answered == 10


def test_what_a_statement_lost_is_missing_to_the_next():
    allowance = allowed(150)
    allowance(takes(0.150), "", (), False, {})
    assert allowance.milliseconds == 50
    allowance(takes(0.048), "", (), False, {})
    assert allowance.milliseconds == STEP
    allowance(takes(0.010), "", (), False, {})
    assert allowance.milliseconds == 0


def test_a_statement_that_fails_costs_time_and_is_no_answer():
    def fails(*_):
        now[0] += 0.150
        raise ValueError

    allowance = allowed(150)
    with pytest.raises(ValueError):
        allowance(fails, "", (), False, {})
    assert allowance.answered == 0
    assert allowance.milliseconds == 50


@given(st.integers(20, 2_000), st.lists(st.floats(0, 1), max_size=40))
def test_no_slate_takes_more_than_its_allowance_and_a_step(limit, shares):
    """Whatever the statements take of what they are given."""
    allowance, spent = allowed(limit), 0.0
    for share in shares:
        given_ = allowance.milliseconds
        assert given_ <= limit
        if not given_:
            break
        allowance(takes(share * given_ / 1_000), "", (), False, {})
        spent += share * given_
    assert spent <= limit * ALLOWANCE + STEP + 1e-6
