"""What is known of items beside events: csv (`item` and any columns) or a JSON object item → ids; or titles."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.accuracy.files import CannotRead, lines, open_text, told
from benchmarks.accuracy.tables import NAMES, SEPARATORS
from reco_plugin.types import Features

WORDS = re.compile(r"[^\W\d_]{2,}")


def read(file: Path, items: npt.NDArray[Any]) -> Features | None:
    """Features of the named items; those of others are passed over. None when nothing is said of any. Raises
    CannotRead."""
    if not file.is_file():
        raise CannotRead(f"There is no file {file}.")
    row_of = {name: row for row, name in enumerate(items.tolist())}
    is_json = file.name.lower().removesuffix(".gz").endswith(".json")
    with told(file, json.JSONDecodeError, csv.Error):
        pairs = [
            (row, name)
            for item, name in (_json(file) if is_json else _csv(file))
            if (row := _row(item, row_of)) is not None
        ]
    if not pairs:
        raise CannotRead(f"{file.name} knows none of the log's items; are they named alike?")
    found = [(row, name) for row, name in pairs if name]
    return _features(found, len(items)) if found else None


def _row(item: str, row_of: dict[str, int]) -> int | None:
    """As the log has it, which may write 17.0 as 17, and all in upper case (--items)."""
    plain = item.strip()
    forms = (plain, plain.removesuffix(".0"), plain.upper())
    return next((row_of[form] for form in forms if form in row_of), None)


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


def _json(file: Path) -> Iterator[tuple[str, str]]:
    """(item, what it has; '' for the item itself)"""
    with open_text(file) as text:
        known = json.load(text)
    if not isinstance(known, dict):
        raise CannotRead("The JSON of attributes must be an object: item → list of ids.")
    for item, ids in known.items():
        yield item, ""
        for one in ids if isinstance(ids, list) else [ids]:
            if one is not None:
                yield item, f"id:{one}"


def _csv(file: Path) -> Iterator[tuple[str, str]]:
    """As `_json`; of several columns that could name the item the first counts."""
    first = next(lines(file), "")
    separator = max(SEPARATORS, key=lambda one: _key(_named(first, one)) is not None)
    with open_text(file) as text:
        rows = csv.DictReader(text, delimiter=separator)
        names = {name: _plain(name) for name in rows.fieldnames or ()}
        key = _key(names)
        if key is None:
            raise CannotRead(f"{file.name} has no column `item`.")
        for row in rows:
            yield row[key] or "", ""
            for name, plain in names.items():
                if name == key or not row[name]:
                    continue
                values = _words(row[name]) if plain in NAMES["title"] else {row[name]}
                for value in values:
                    yield row[key] or "", f"{name}:{value}"


def _named(line: str, separator: str) -> dict[str, str]:
    return {name: _plain(name) for name in next(csv.reader([line], delimiter=separator), [])}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _key(names: Mapping[str, str]) -> str | None:
    return next((name for name, plain in names.items() if plain in {*NAMES["item"], "id"}), None)


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
