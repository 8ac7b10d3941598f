"""Any log in: csv and parquet tables, `sequences` and `sessions` text. What is left out is counted and said.

A table has the columns `user, item, time[, event, basket, quantity, price, title]`, by these or by their usual
names; of several files a later one takes over from its first moment on. `sequences`: a line per shopper,
`user item item …` in order. `sessions`: a line per visit, `item item …`, the oldest visit first, beside a file
of `prefix TAB next item`.
"""

from __future__ import annotations

import datetime as dt
import gzip
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.evaluation.log import Log, ties
from reco_plugin.trainers.histories import Histories, histories

NAMES = {
    "user": ("user", "userid", "customer", "customerid", "shopper", "visitor", "visitorid"),
    "item": ("item", "itemid", "product", "productid", "sku", "stockcode", "asin"),
    "time": ("time", "timestamp", "date", "datetime", "invoicedate", "orderdate", "createdat"),
    "event": ("event", "eventtype", "kind"),
    "basket": (
        "basket",
        "basketid",
        "order",
        "orderid",
        "invoice",
        "invoiceno",
        "session",
        "sessionid",
    ),
    "quantity": ("quantity", "qty"),
    "price": ("price", "unitprice"),
    "title": ("title", "description", "name"),
}
BOUGHT = {"purchase", "transaction", "order", "buy"}
TAKEN_BACK = {"refund", "return", "remove_from_cart", "dismiss_item"}


class CannotRead(Exception):
    """The log is not what it should be; the message says what would be."""


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
    for file in files:
        if not file.is_file():
            raise CannotRead(f"There is no file {file}.")
    if any(_kind(file) in {"csv", "parquet"} for file in files):
        return _tables(files, items=items, columns=columns, bought=bought)
    if len(files) > 1:
        raise CannotRead("Give one text file; only tables may come in several.")
    return _sessions(files[0], prefixes) if sessions or prefixes else _sequences(files[0])


def _kind(file: Path) -> str:
    return file.name.removesuffix(".gz").rpartition(".")[2].lower()


def open_text(file: Path) -> Any:
    """Text of a file that may be compressed."""
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8")
    return file.open(encoding="utf-8")


# --- text ----------------------------------------------------------------------------------------


def _lines(file: Path) -> Iterator[list[str]]:
    with open_text(file) as lines:
        for line in lines:
            if line.strip():
                yield line.split()


def _sequences(file: Path) -> Log:
    lists = [line[1:] for line in _lines(file)]
    return _listed(lists, [])


def _sessions(file: Path, prefixes: Path | None) -> Log:
    lists = list(_lines(file))
    tests = []
    if prefixes is not None:
        with open_text(prefixes) as lines:
            for line in lines:
                before, tab, following = line.strip().partition("\t")
                if not tab or not before.split():
                    raise CannotRead(f"{prefixes}: each line must be `item item … TAB next item`.")
                tests.append((before.split(), following.strip()))
    return _listed(lists, tests)


def _listed(lists: list[list[str]], tests: list[tuple[list[str], str]]) -> Log:
    flat = [item for one in lists for item in one]
    if not flat:
        raise CannotRead("The log holds no event.")
    everything = flat + [item for before, after in tests for item in (*before, after)]
    names, rows = np.unique(np.array(everything), return_inverse=True)
    past = _unordered([len(one) for one in lists], rows[: len(flat)], len(names))
    if not tests:
        return Log(past=past, items=names, read=len(flat))
    row_of = {name: row for row, name in enumerate(names.tolist())}
    inside = np.array([row_of[item] for before, _ in tests for item in before])
    here = _unordered([len(before) for before, _ in tests], inside, len(names))
    following = np.array([row_of[after] for _, after in tests], dtype=np.int64)
    return Log(past=past, items=names, asked=(here, following), read=len(flat))


def _unordered(lengths: list[int], items: npt.NDArray[Any], n_items: int) -> Histories:
    rows = np.repeat(np.arange(len(lengths)), lengths)
    return histories(rows, items, n_rows=len(lengths), n_items=n_items)


# --- tables --------------------------------------------------------------------------------------


def _tables(files: Sequence[Path], *, items: str, columns: str, bought: bool) -> Log:
    named = dict(pair.split("=", 1) for pair in columns.split(",") if "=" in pair)
    parts = [_table(file, named) for file in files]
    dropped: dict[str, int] = {}
    for place, (part, later) in enumerate(itertools.pairwise(parts)):
        if "time" in part and "time" in later:
            parts[place] = _kept(
                part, part["time"] < later["time"].min(), "in a later file too", dropped
            )
    shared = set.intersection(*[set(part) for part in parts])
    whole = {name: np.concatenate([part[name] for part in parts]) for name in shared}
    read = len(whole["item"])
    return _log(_cleaned(whole, items, bought, dropped), read, dropped)


def _table(file: Path, named: dict[str, str]) -> dict[str, npt.NDArray[Any]]:
    try:
        from pyarrow import csv, parquet
    except ModuleNotFoundError as error:
        raise CannotRead("Reading csv and parquet needs pyarrow: pip install pyarrow") from error
    table = parquet.read_table(file) if _kind(file) == "parquet" else csv.read_csv(file)
    plain = {re.sub(r"[^a-z]", "", name.lower()): name for name in table.column_names}
    found: dict[str, npt.NDArray[Any]] = {}
    for name, usual in NAMES.items():
        column = named.get(name) or next((plain[one] for one in usual if one in plain), None)
        if column is not None:
            found[name] = _column(table[column], name)
    for name in ("user", "item"):
        if name not in found:
            raise CannotRead(
                f"{file.name} has no column {name!r} (it has {', '.join(table.column_names)}); "
                f"name it with --columns {name}=…"
            )
    return found


def _column(column: Any, name: str) -> npt.NDArray[Any]:
    import pyarrow as pa
    from pyarrow import compute

    if name == "time":
        return _times(column)
    if name in {"quantity", "price"}:
        return np.asarray(compute.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    if pa.types.is_floating(column.type):
        column = compute.cast(column, pa.int64(), safe=False)
    text = compute.fill_null(compute.cast(column, pa.string()), "")
    return np.asarray(text.to_pylist(), dtype=np.str_)


def _times(column: Any) -> npt.NDArray[np.int64]:
    """Microseconds; the lowest number where a time is missing."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        values = np.asarray(compute.fill_null(column, 0).to_numpy(), dtype=np.float64)
        largest = np.abs(values).max(initial=0.0)
        unit = 1e6 if largest < 1e11 else 1e3 if largest < 1e14 else 1.0
        return np.asarray(values * unit, dtype=np.int64)
    try:
        stamps = compute.cast(column, pa.timestamp("us"), safe=False)
    except pa.ArrowInvalid as error:
        raise CannotRead(
            f"The times are not ISO 8601 ({error}); write 2026-01-31T12:00:00."
        ) from error
    missing = np.iinfo(np.int64).min
    return np.asarray(compute.fill_null(compute.cast(stamps, pa.int64()), missing).to_numpy())


def _kept(
    rows: dict[str, npt.NDArray[Any]], keep: npt.NDArray[Any], why: str, dropped: dict[str, int]
) -> dict[str, npt.NDArray[Any]]:
    lost = int((~keep).sum())
    if not lost:
        return rows
    dropped[why] = dropped.get(why, 0) + lost
    return {name: values[keep] for name, values in rows.items()}


def _cleaned(
    rows: dict[str, npt.NDArray[Any]], items: str, bought: bool, dropped: dict[str, int]
) -> dict[str, npt.NDArray[Any]]:
    rows = _kept(rows, rows["user"] != "", "no user", dropped)
    rows = _kept(rows, rows["item"] != "", "no item", dropped)
    for name in ("quantity", "price"):
        if name in rows:
            rows = _kept(rows, rows[name] > 0, f"{name} not above 0", dropped)
    if "time" in rows:
        rows = _kept(rows, rows["time"] > np.iinfo(np.int64).min, "no time", dropped)
        now = int(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)
        rows = _kept(rows, rows["time"] <= now, "in the future", dropped)
    if "event" in rows:
        kinds = np.char.lower(rows["event"])
        keep = ~np.isin(kinds, list(TAKEN_BACK))
        if bought and np.isin(kinds, list(BOUGHT)).any():
            keep = np.isin(kinds, list(BOUGHT))
        rows = _kept(rows, keep, "of another kind", dropped)
    if items:
        rows["item"] = np.char.upper(rows["item"])
        pattern = re.compile(items)
        fits = {name: bool(pattern.fullmatch(name)) for name in np.unique(rows["item"]).tolist()}
        rows = _kept(
            rows, np.array([fits[name] for name in rows["item"].tolist()]), "not a product", dropped
        )
    if not len(rows["item"]):
        raise CannotRead(f"No event is left of the log ({_said(dropped)}).")
    return rows


def _said(dropped: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {why}" for why, count in dropped.items()) or "it is empty"


def _log(rows: dict[str, npt.NDArray[Any]], read: int, dropped: dict[str, int]) -> Log:
    names, item = np.unique(rows["item"], return_inverse=True)
    users, user = np.unique(rows["user"], return_inverse=True)
    at = rows.get("time")
    basket = None
    if "basket" in rows:
        number = np.unique(rows["basket"], return_inverse=True)[1].astype(np.int64)
        basket = number * len(users) + user
    past = histories(user, item, n_rows=len(users), n_items=len(names), at=at, basket=basket)
    return Log(
        past=past,
        items=names,
        titles=_titles(rows, item),
        read=read,
        dropped=dropped,
        ties=ties(past),
    )


def _titles(rows: dict[str, npt.NDArray[Any]], item: npt.NDArray[Any]) -> dict[int, str]:
    if "title" not in rows:
        return {}
    titles, which = np.unique(rows["title"], return_inverse=True)
    pairs, counts = np.unique(item.astype(np.int64) * len(titles) + which, return_counts=True)
    order = np.lexsort((counts,))
    return {int(pairs[at] // len(titles)): str(titles[pairs[at] % len(titles)]) for at in order}
