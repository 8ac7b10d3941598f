"""Tables: csv with any usual separator, and parquet, by the usual names of their columns."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy.files import (
    CannotRead,
    encoding,
    head,
    is_compressed,
    lines,
    told,
)
from benchmarks.accuracy.moments import microseconds

NAMES = {
    "user": (
        "user",
        "userid",
        "customer",
        "customerid",
        "shopper",
        "visitor",
        "visitorid",
        "client",
        "clientid",
        "reviewerid",
    ),
    "item": (
        "item",
        "itemid",
        "product",
        "productid",
        "sku",
        "stockcode",
        "asin",
        "parentasin",
        "article",
        "articleid",
    ),
    "time": (
        "time",
        "timestamp",
        "datetime",
        "date",
        "invoicedate",
        "orderdate",
        "createdat",
        "eventtime",
        "unixreviewtime",
        "tdat",
    ),
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
        "usersession",
        "transactionid",
    ),
    "quantity": ("quantity", "qty"),
    "price": ("price", "unitprice"),
    "title": ("title", "description", "name"),
}
NUMBERS = ("quantity", "price")
SEPARATORS = (",", "\t", ";", "|", " ")
NOTHING = ["", "NULL", "Null", "null", "NaN", "nan", "NA", "N/A", "n/a", "None", "none"]
PARQUET = b"PAR1"
LOOKED_AT = 5
"""Lines of a text that tell whether it is a table."""
RAGGED = "with too many or too few columns"

Dropped = dict[str, int]


def is_table(file: Path, columns: str = "") -> bool:
    """By its name, or by its first lines."""
    kind = file.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind in {"csv", "tsv", "parquet"} or head(file, len(PARQUET)) == PARQUET:
        return True
    with told(file):
        first = list(itertools.islice(lines(file), LOOKED_AT))
    if not first:
        return False
    separator = separator_of(first[0], named(columns))
    cells = [_cells(line, separator) for line in first]
    alike = len({len(row) for row in cells}) == 1
    return alike and {"user", "item"} <= set(places(cells[0], named(columns)))


# --- columns -------------------------------------------------------------------------------------


def named(columns: str) -> dict[str, str]:
    """Of 'user=who,item=what'. Raises CannotRead for a name there is not."""
    found = dict(pair.split("=", 1) for pair in columns.split(",") if "=" in pair)
    odd = [name for name in found if name not in NAMES]
    if odd or (columns and not found):
        raise CannotRead(f"--columns takes {', '.join(f'{name}=…' for name in NAMES)}.")
    return found


def places(cells: Sequence[str], named: Mapping[str, str]) -> dict[str, int]:
    """Which column has what: as they are named, else by the usual names, of two alike the first."""
    plain: dict[str, int] = {}
    for at, cell in enumerate(cells):
        plain.setdefault(re.sub(r"[^a-z]", "", cell.lower()), at)
    found = {name: cells.index(own) for name, own in named.items() if own in cells}
    for name, usual in NAMES.items():
        at = next((plain[one] for one in usual if one in plain), None)
        if at is not None and name not in named:
            found[name] = at
    return found


def separator_of(line: str, named: Mapping[str, str]) -> str:
    """The one by which most columns of this first line are known."""
    return max(SEPARATORS, key=lambda one: len(places(_cells(line, one), named)))


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


# --- one file ------------------------------------------------------------------------------------


def table(file: Path, named: Mapping[str, str], dropped: Dropped) -> Any:
    """Columns by our names: text, microseconds, and numbers. Raises CannotRead."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise CannotRead("Reading csv and parquet needs pyarrow: pip install pyarrow") from error
    with told(file, pa.ArrowException):
        parquet = head(file, len(PARQUET)) == PARQUET
        table = _parquet(file) if parquet else _csv(file, named, dropped)
        found = places(table.column_names, named)
        _required(file, table.column_names, found, named)
        return pa.table({name: _column(table.column(at), name) for name, at in found.items()})


def _required(
    file: Path, columns: Sequence[str], found: Mapping[str, int], named: Mapping[str, str]
) -> None:
    for name in ("user", "item", *named):
        if name not in found:
            known = named.get(name, name)
            raise CannotRead(
                f"{file.name} has no column {known!r} (its first line is {', '.join(columns)}); "
                f"name it with --columns {name}=…"
            )


def _parquet(file: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(file)


def _csv(file: Path, named: Mapping[str, str], dropped: Dropped) -> Any:
    """Lines that are no rows of the table are counted and passed over."""
    import pyarrow as pa
    from pyarrow import csv as tables

    first = next(lines(file), None)
    if first is None:
        raise CannotRead(f"{file.name} is empty.")
    separator, ragged = separator_of(first, named), []

    def passed(row: Any) -> str:
        ragged.append(row.number)
        return "skip"

    cells = _cells(first, separator)
    text = {cells[at] for name, at in places(cells, named).items() if name not in NUMBERS}
    text -= {cells[at] for name, at in places(cells, named).items() if name == "time"}
    packing = "gzip" if is_compressed(file) else None
    with pa.input_stream(str(file), compression=packing) as content:
        table = tables.read_csv(
            content,
            read_options=tables.ReadOptions(encoding=encoding(file).removesuffix("-sig")),
            parse_options=tables.ParseOptions(
                delimiter=separator, newlines_in_values=True, invalid_row_handler=passed
            ),
            convert_options=tables.ConvertOptions(
                column_types=dict.fromkeys(text, pa.string()),
                strings_can_be_null=True,
                null_values=NOTHING,
            ),
        )
    if ragged:
        dropped[RAGGED] = dropped.get(RAGGED, 0) + len(ragged)
    return table


def _column(column: Any, name: str) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if name == "time":
        return pa.array(microseconds(column))
    return _numbers(column, name) if name in NUMBERS else _text(column, name)


def _numbers(column: Any, name: str) -> Any:
    """float64, of which only the sign counts: so '1,50' and '$ 1.50' may be 150 and 1.5. Null where nothing is said."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = compute.if_else(compute.equal(column, ""), None, column)
        column = compute.replace_substring_regex(column, r"[^\d.eE+-]", "")
    try:
        return column.cast(pa.float64(), safe=False)
    except pa.ArrowInvalid as error:
        raise CannotRead(
            f"The column of {name} holds what is no number ({error}); write 2.50, or leave it out."
        ) from error


def _text(column: Any, name: str) -> Any:
    """Names, titles as they are; '' where there is none. A whole number is written as one, also if it came as 17.0."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_floating(column.type):
        column = compute.if_else(compute.is_finite(column), column, None)
        if compute.all(compute.equal(column, compute.floor(column))).as_py():
            column = column.cast(pa.int64(), safe=False)  # as text 1e10 would be 1e+10
    text = compute.fill_null(column.cast(pa.large_string()), "")
    if name == "title":
        return text
    text = compute.utf8_trim_whitespace(text)
    if compute.all(compute.match_substring_regex(text, r"^(\d+\.0)?$")).as_py():
        text = compute.replace_substring_regex(text, r"\.0$", "")
    return text
