from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not shipped"
)


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import harness

    return harness


@pytest.fixture
def command(monkeypatch, harness):
    from benchmarks import __main__ as command

    return command


def benchmark(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_lists_what_there_is():
    found = benchmark()
    assert found.returncode == 0
    assert found.stderr == ""
    assert "dataset     interactions in PostgreSQL" in found.stdout


def test_an_unknown_name_is_a_usage_error():
    found = benchmark("nonsense")
    assert found.returncode == 2
    assert "No benchmark 'nonsense'; choose from" in found.stderr
    assert "dataset" in found.stderr


def test_every_benchmark_says_what_it_measures(harness):
    for name, title in harness.titles().items():
        module = harness.load(name)
        assert title == module.TITLE
        assert callable(module.run)


def test_at_most(harness):
    row = harness.Row.at_most("x", 3.0, 2.0, 1.5)
    assert row.ratio == 1.5
    assert row.holds
    assert not harness.Row.at_most("x", 3.1, 2.0, 1.5).holds
    assert harness.Row.at_most("x", 3.1, 2.0, 1.5, ratio=1.4).holds


def test_at_least(harness):
    assert harness.Row.at_least("x", 2.0, 3.0, 1.5).holds
    assert not harness.Row.at_least("x", 2.1, 3.0, 1.5).holds
    assert harness.Row.at_least("x", 0.0, 3.0, 1.5).ratio == float("inf")


class Fake:
    TITLE = "fake"

    def __init__(self, *rows):
        self.run = lambda bench: list(rows)


@pytest.mark.parametrize(("figure", "status"), [(1.0, 0), (9.0, 1)])
def test_json_has_one_line_per_row_and_the_status_tells(
    harness, command, monkeypatch, capsys, figure, status
):
    row = harness.Row.at_most("one", figure, 2.0, 1.0, note="n")
    monkeypatch.setattr(command, "titles", lambda: {"fake": "fake"})
    monkeypatch.setattr(command, "load", lambda name: Fake(row, row))
    assert command.main(["fake", "--json"]) == status
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert {"name", "figure", "floor", "ratio", "bar", "holds"} <= set(lines[0])
    assert lines[0]["holds"] is (status == 0)


def test_the_table_shows_both_figures(harness, command, monkeypatch, capsys):
    monkeypatch.setattr(command, "titles", lambda: {"fake": "what it is"})
    monkeypatch.setattr(
        command, "load", lambda name: Fake(harness.Row.at_most("one", 1.5, 1.0, 1.0))
    )
    assert command.main(["fake"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("what it is")
    assert "one   1.5 s   1 s    1.50   ≤ 1  NO" in shown


def test_alternation_and_medians(harness):
    order = []
    found = harness.interleave(
        lambda: order.append("figure"), lambda: order.append("floor"), repeats=2, warm=1
    )
    assert order == ["floor", "figure", "figure", "floor", "floor", "figure"]
    assert len(found.pairs) == 2
    paired = harness.timing([(1.0, 2.0), (9.0, 1.0), (1.0, 1.0)])
    assert (paired.figure, paired.floor, paired.ratio) == (1.0, 1.0, 1.0)


def test_a_child_gives_back_its_value_its_time_and_its_own_memory(harness):
    ballast = bytearray(300 * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    found = harness.in_child("textwrap:shorten", text="much too long", width=8, placeholder="")
    assert found.value == "much too"
    assert found.seconds >= 0
    assert 5 < found.peak_mb < 200 < harness.peak_rss()
    del ballast


def test_a_child_that_dies_is_an_error(harness, capfd):
    with pytest.raises(RuntimeError, match="textwrap:shorten failed in its child process"):
        harness.in_child("textwrap:shorten", text="no width")


def test_json_rows_appear_as_soon_as_they_are_known(harness, command, monkeypatch, capsys):
    class Broken:
        @staticmethod
        def run(bench):
            yield harness.Row.at_most("one", 1.0, 1.0, 1.0)
            raise RuntimeError("the second breaks")

    monkeypatch.setattr(command, "titles", lambda: {"fake": "fake"})
    monkeypatch.setattr(command, "load", lambda name: Broken)
    with pytest.raises(RuntimeError, match="the second breaks"):
        command.main(["fake", "--json"])
    assert json.loads(capsys.readouterr().out)["name"] == "one"
