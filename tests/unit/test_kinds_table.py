"""What `python -m benchmarks kinds` prints, and when; which questions --only names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks" / "kinds").is_dir(), reason="the benchmarks are not shipped"
)


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def line(name="cart"):
    from benchmarks.kinds.figures import Answer
    from benchmarks.kinds.figures import line as made

    answers = [Answer(keys=[1], own=1)]
    return made(
        *("bought_together", "a hidden product", [frozenset({1})], answers, [[2]]),
        name=name,
        floor_name="popular",
        catalogue=2,
        note="noted",
    )


def test_each_line_is_printed_before_the_next_is_asked_for(capsys):
    from benchmarks.kinds.table import show

    printed = []

    def asked():
        for name in ("cart", "similar"):
            yield line(name)
            printed.append(capsys.readouterr().out)
        yield "brands", "there are none"

    show(asked(), as_json=False)
    assert printed[0].splitlines()[0].startswith("question")
    assert printed[0].splitlines()[1].startswith("cart ")
    assert printed[0].rstrip().endswith("a hidden product; noted")
    assert printed[1].startswith("similar ")
    assert capsys.readouterr().out.split() == ["brands", "not", "asked:", "there", "are", "none"]


def test_as_json_each_line_is_an_object(capsys):
    from benchmarks.kinds.table import show

    show([line(), ("brands", "there are none")], as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["name"], first["kind"], first["recall"]) == ("cart", "bought_together", 1.0)
    assert second == {"name": "brands", "note": "there are none"}


def test_the_columns_stand_under_their_names(capsys):
    from benchmarks.kinds.table import show

    show([line()], as_json=False)
    head, row = capsys.readouterr().out.splitlines()
    assert row[head.index("asked") :] == "a hidden product; noted"
    assert row[head.index("floor  ") :].startswith("popular ")


def test_only_takes_names_with_commas_and_without():
    from benchmarks.kinds import names

    assert names.chosen(["cart, similar", "newborn"]) == {"cart", "similar", "newborn"}
    assert names.chosen([]) == set(names.ALL)
    with pytest.raises(ValueError, match="No question nonsense; choose from personal, "):
        names.chosen(["cart,nonsense"])


def test_every_warm_name_is_a_question():
    """Read, not imported: what asks needs a shop."""
    from benchmarks.kinds import names

    source = (ROOT / "benchmarks" / "kinds" / "questions.py").read_text()
    assert [
        name
        for name in (*names.WARM, "new_visitor", "one_category")
        if f"def {name}(self) -> Question:" not in source
    ] == []
