"""What is said of a child that died."""

from __future__ import annotations

import re

import pytest

from reco_plugin.children import obituary
from reco_plugin.exceptions import TrainingFailed
from reco_plugin.trainers.process import ADVICE


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "ended without a result"),
        (-34, "killed by signal 34|killed by SIGRTMIN"),
        (143, "killed by SIGTERM"),
        (-9, "probably for lack of memory on this machine: it used 70 MiB when last looked at"),
        (9, "ran out of memory: it used 70 MiB when last looked at; its limit was 50 MiB"),
    ],
)
def test_causes(code, said):
    death = obituary.Death(code=code, stderr="a\n" * 50 + "b\n", peak_mib=70, memory_mb=50)
    text = obituary.write(death, ADVICE)
    cause, _, words = text.partition("\nIts last words:\n")
    assert re.search(said, cause)
    assert words.splitlines() == ["a"] * 11 + ["b"]


def test_an_unknown_error_of_a_child_is_a_value_error():
    assert type(obituary.refusal("OSError", "x", "")) is ValueError
    assert type(obituary.refusal("__name__", "x", "")) is ValueError
    assert type(obituary.refusal("TrainingFailed", "x", "")) is TrainingFailed
