"""The rows of all tables of a log: which of them count, and the histories they are."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.files import CannotRead
from benchmarks.accuracy.moments import MISSING
from benchmarks.accuracy.tables import NUMBERS, RAGGED, Dropped, named, table
from reco_plugin.evaluation.log import Log, ties
from reco_plugin.trainers.histories import histories

BOUGHT = {"purchase", "transaction", "order", "buy"}
TAKEN_BACK = {"refund", "return", "remove_from_cart", "dismiss_item"}
LATER = "in a later file too"


def read(
    files: Sequence[Path], *, items: str, columns: str, bought: bool, sessions: bool = False
) -> Log:
    """The log in tables; see `reading.read`. Raises CannotRead."""
    dropped: Dropped = {}
    parts = [table(file, named(columns), dropped) for file in files]
    _alike(files, parts)
    parts = _taking_over(parts, dropped)
    import pyarrow as pa

    whole = pa.concat_tables(parts, promote_options="permissive")
    count = len(whole) + dropped.get(RAGGED, 0)
    return _log(_cleaned(whole, items, bought, dropped), count, dropped, sessions)


def _alike(files: Sequence[Path], parts: Sequence[Any]) -> None:
    """Raises CannotRead where some tell times or baskets and some do not."""
    for name in ("time", "basket"):
        having = [name in part.column_names for part in parts]
        if any(having) and not all(having):
            odd = files[having.index(False)].name
            raise CannotRead(f"{odd} has no column {name!r}, and another file has.")


def _taking_over(parts: list[Any], dropped: Dropped) -> list[Any]:
    """Files in the order of their first moments; each holds until the next begins."""
    if len(parts) < 2 or "time" not in parts[0].column_names:
        return parts
    begins = [_first(part) for part in parts]
    order = np.argsort(begins, kind="stable").tolist()
    kept = [
        _kept(parts[at], _numbers_of(parts[at], "time") < begins[later], LATER, dropped)
        for at, later in itertools.pairwise(order)
    ]
    return [*kept, parts[order[-1]]]


def _first(part: Any) -> int:
    at = _numbers_of(part, "time")
    known = at[at > MISSING]
    return int(known.min()) if len(known) else int(np.iinfo(np.int64).max)


def _numbers_of(rows: Any, name: str) -> npt.NDArray[Any]:
    return np.asarray(rows[name].to_numpy())


def _kept(rows: Any, keep: Any, why: str, dropped: Dropped) -> Any:
    import pyarrow as pa

    found = rows.filter(pa.array(keep) if isinstance(keep, np.ndarray) else keep)
    if len(found) < len(rows):
        dropped[why] = dropped.get(why, 0) + len(rows) - len(found)
    return found


def _cleaned(rows: Any, items: str, bought: bool, dropped: Dropped) -> Any:
    from pyarrow import compute

    for name in ("user", "item"):
        rows = _kept(rows, compute.not_equal(rows[name], ""), f"no {name}", dropped)
    for name in NUMBERS:
        if name in rows.column_names:
            least = ~(_numbers_of(rows, name) <= 0)  # what is not told may be anything
            rows = _kept(rows, least, f"{name} not above 0", dropped)
    if "time" in rows.column_names:
        rows = _timed(rows, dropped)
    if "event" in rows.column_names:
        rows = _kept(rows, _counting(rows["event"], bought), "of another kind", dropped)
    if items:
        rows = _products(rows, items, dropped)
    if not len(rows):
        raise CannotRead(f"No event is left of the log ({_said(dropped)}).")
    return rows


def _timed(rows: Any, dropped: Dropped) -> Any:
    rows = _kept(rows, _numbers_of(rows, "time") > MISSING, "no time", dropped)
    now = int(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)
    rows = _kept(rows, _numbers_of(rows, "time") <= now, "in the future", dropped)
    if "basket" in rows.column_names:
        return rows  # which may hold a thing twice
    return _kept(rows, _once(rows), "said twice", dropped)


def _once(rows: Any) -> npt.NDArray[np.bool_]:
    """(m,) False for a row that is in all the same as one before it: one event, written down twice."""
    keys = [
        np.nan_to_num(_numbers_of(rows, name))
        if name in {"time", *NUMBERS}
        else _coded(rows[name])[1]
        for name in rows.column_names
    ]
    order = np.lexsort(keys)
    same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    keep = np.ones(len(order), np.bool_)
    keep[order[1:][same]] = False
    return keep


def _counting(events: Any, bought: bool) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    kinds = compute.fill_null(compute.utf8_lower(events), "")
    buys = compute.is_in(kinds, pa.array(sorted(BOUGHT), pa.large_string()))
    if bought and compute.any(buys).as_py():
        return buys
    return compute.invert(compute.is_in(kinds, pa.array(sorted(TAKEN_BACK), pa.large_string())))


def _products(rows: Any, items: str, dropped: Dropped) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    try:
        pattern = re.compile(items)
    except re.error as error:
        raise CannotRead(f"--items is no pattern: {error}") from error
    upper = compute.utf8_upper(rows["item"])
    rows = rows.set_column(rows.column_names.index("item"), "item", upper)
    fits = [name for name in compute.unique(upper).to_pylist() if pattern.fullmatch(name)]
    keep = compute.is_in(upper, pa.array(fits, pa.large_string()))
    return _kept(rows, keep, "not a product", dropped)


def _said(dropped: Dropped) -> str:
    return ", ".join(f"{count:,} {why}" for why, count in dropped.items()) or "it is empty"


# --- the log -------------------------------------------------------------------------------------


def _log(rows: Any, count: int, dropped: Dropped, sessions: bool) -> Log:
    names, item = _coded(rows["item"])
    users, user = _coded(rows["user"])
    at = _numbers_of(rows, "time") if "time" in rows.column_names else None
    past = histories(
        user,
        item,
        n_rows=len(users),
        n_items=len(names),
        at=at,
        basket=_baskets(rows, user, len(users), sessions),
    )
    return Log(
        past=past,
        items=names,
        titles=_titles(rows, item),
        read=count,
        dropped=dropped,
        ties=ties(past),
    )


def _coded(column: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """(names in order, the place of each row's). Each name is kept once, however long it is."""
    coded = column.combine_chunks().dictionary_encode()
    words = coded.dictionary.to_pylist()
    order = sorted(range(len(words)), key=words.__getitem__)
    place = np.empty(len(words), np.int64)
    place[order] = np.arange(len(words))
    names = np.empty(len(words), dtype=object)
    names[:] = [words[at] for at in order]
    return names, place[coded.indices.to_numpy()]


def _baskets(
    rows: Any, user: npt.NDArray[np.int64], n_users: int, sessions: bool
) -> npt.NDArray[np.int64] | None:
    """A number for each row; what is in no basket is by itself. With `sessions`, a number that only some have (of an
    order) tells no visits: a shopper's events are one."""
    if "basket" not in rows.column_names:
        return None
    names, code = _coded(rows["basket"])
    alone = np.array([name == "" for name in names.tolist()])[code]
    if alone.all() or (sessions and alone.any()):
        return None
    return np.where(alone, len(names) * n_users + np.arange(len(code)), code * n_users + user)


def _titles(rows: Any, item: npt.NDArray[np.int64]) -> dict[int, str]:
    """The commonest of each item."""
    if "title" not in rows.column_names:
        return {}
    titles, which = _coded(rows["title"])
    pairs, counts = np.unique(item * len(titles) + which, return_counts=True)
    ordered = pairs[np.lexsort((counts,))].tolist()
    told = ((pair // len(titles), str(titles[pair % len(titles)])) for pair in ordered)
    return {row: title for row, title in told if title.strip()}
