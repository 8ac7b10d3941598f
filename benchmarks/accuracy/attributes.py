"""What is known of items beside events: csv (`item` and any columns) or a JSON object item → ids; or titles."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.accuracy.reading import NAMES, CannotRead, open_text
from reco_plugin.types import Features

WORDS = re.compile(r"[^\W\d_]{2,}")


def read(file: Path, items: npt.NDArray[Any]) -> Features:
    """Features of the named items; those of others are passed over. Raises CannotRead."""
    if not file.is_file():
        raise CannotRead(f"There is no file {file}.")
    row_of = {name: row for row, name in enumerate(items.tolist())}
    with open_text(file) as text:
        pairs = _json(text) if file.name.removesuffix(".gz").endswith(".json") else _csv(text, file)
        found = [(row_of[item], name) for item, name in pairs if item in row_of]
    if not found:
        raise CannotRead(f"{file.name} knows none of the log's items; are they named alike?")
    return _features(found, len(items))


def of_titles(titles: dict[int, str], n_items: int) -> Features | None:
    """Words of the titles that two items share; None without any."""
    found = [(row, f"text:{word}") for row, title in titles.items() for word in _words(title)]
    counts: dict[str, int] = {}
    for _, name in set(found):
        counts[name] = counts.get(name, 0) + 1
    shared = [(row, name) for row, name in found if counts[name] >= 2]
    return _features(shared, n_items) if shared else None


def _words(text: str) -> set[str]:
    return {word.lower() for word in WORDS.findall(text)}


def _json(text: Any) -> Iterable[tuple[str, str]]:
    known = json.load(text)
    if not isinstance(known, dict):
        raise CannotRead("The JSON of attributes must be an object: item → list of ids.")
    for item, ids in known.items():
        for one in ids if isinstance(ids, list) else [ids]:
            yield str(item), f"id:{one}"


def _csv(text: Any, file: Path) -> Iterable[tuple[str, str]]:
    rows = csv.DictReader(text)
    names = {name: re.sub(r"[^a-z]", "", name.lower()) for name in rows.fieldnames or ()}
    key = next((name for name, plain in names.items() if plain in {*NAMES["item"], "id"}), None)
    if key is None:
        raise CannotRead(f"{file.name} has no column `item`.")
    for row in rows:
        for name, plain in names.items():
            if name == key or not row[name]:
                continue
            values = _words(row[name]) if plain in NAMES["title"] else {row[name]}
            for value in values:
                yield row[key], f"{name}:{value}"


def _features(pairs: list[tuple[int, str]], n_items: int) -> Features:
    names = sorted({name for _, name in pairs})
    column = {name: at for at, name in enumerate(names)}
    distinct = sorted(set(pairs))
    rows = np.array([row for row, _ in distinct])
    columns = np.array([column[name] for _, name in distinct])
    matrix = sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows, columns)), shape=(n_items, len(names))
    )
    return Features(matrix=matrix, names=tuple(names))
