"""Any log in: csv and parquet tables, `sequences` and `sessions` text. What is left out is counted and said.

A table has the columns `user, item, time[, event, basket, quantity, price, title]`, by these or by their usual
names; of several files a later one takes over from its first moment on. `sequences`: a line per shopper,
`user item item …` in order. `sessions`: a line per visit, `item item …`, the oldest visit first, beside a file
of `prefix TAB next item`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy import cleaning, tables
from benchmarks.accuracy.files import CannotRead, lines, told
from reco_plugin.evaluation.log import Log
from reco_plugin.trainers.histories import Histories, histories

__all__ = ["CannotRead", "Log", "read"]


def read(
    files: Sequence[Path],
    *,
    prefixes: Path | None = None,
    sessions: bool = False,
    items: str = "",
    columns: str = "",
    bought: bool = False,
) -> Log:
    """The log in `files`. `items` is a pattern of item names (upper case) that count; `columns` names columns
    ('user=who,item=what'); `bought` keeps purchases where the log tells kinds. Raises CannotRead."""
    for file in (*files, *([prefixes] if prefixes else [])):
        if not file.is_file():
            raise CannotRead(f"There is no file {file}.")
    if any(tables.is_table(file, columns) for file in files):
        if prefixes:
            raise CannotRead("--prefixes stands beside a text of visits, not beside a table.")
        return cleaning.read(files, items=items, columns=columns, bought=bought, sessions=sessions)
    if len(files) > 1:
        raise CannotRead("Give one text file; only tables may come in several.")
    if prefixes and not sessions:
        raise CannotRead("--prefixes is the test of visits: take --protocol next-in-visit with it.")
    with told(files[0]):
        lists = [line.split() for line in lines(files[0])]
    if not sessions:
        return _listed([words[1:] for words in lists], [])
    return _listed(lists, _asked(prefixes) if prefixes else [])


def _asked(prefixes: Path) -> list[tuple[list[str], str]]:
    with told(prefixes):
        pairs = [line.rpartition("\t")[::2] for line in lines(prefixes)]
    found = [(before.split(), after.split()) for before, after in pairs]
    if not all(before and len(after) == 1 for before, after in found):
        raise CannotRead(f"{prefixes.name}: each line must be `item item … TAB next item`.")
    if not found:
        raise CannotRead(f"{prefixes.name} asks nothing: it has no line.")
    return [(before, after[0]) for before, after in found]


def _listed(lists: list[list[str]], tests: list[tuple[list[str], str]]) -> Log:
    flat = [item for one in lists for item in one]
    if not flat:
        raise CannotRead(
            "The log holds no event. A text has a line `user item item …` for each shopper, or `item item …` for "
            "each visit; a table has a first line that names user and item."
        )
    words = sorted({*flat, *(item for before, after in tests for item in (*before, after))})
    row_of = {name: row for row, name in enumerate(words)}
    names = np.array(words, dtype=object)
    past = _unordered(lists, row_of)
    if not tests:
        return Log(past=past, items=names, read=len(flat))
    here = _unordered([before for before, _ in tests], row_of)
    following = np.array([row_of[after] for _, after in tests], dtype=np.int64)
    return Log(past=past, items=names, asked=(here, following), read=len(flat))


def _unordered(lists: list[list[str]], row_of: dict[str, int]) -> Histories:
    """In the order they are given."""
    rows = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    items: npt.NDArray[Any] = np.array([row_of[item] for one in lists for item in one], np.int64)
    return histories(rows, items, n_rows=len(lists), n_items=len(row_of))
