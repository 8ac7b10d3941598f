"""Reads order lines in the layout of UCI Online Retail, dirt and all, into clean columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from example_shop.demo.errors import UnknownData

ALIASES = {
    "InvoiceNo": ("InvoiceNo", "Invoice"),
    "StockCode": ("StockCode",),
    "Description": ("Description",),
    "Quantity": ("Quantity",),
    "InvoiceDate": ("InvoiceDate",),
    "UnitPrice": ("UnitPrice", "Price"),
    "CustomerID": ("CustomerID", "Customer ID"),
}
TEXT = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "InvoiceDate",
    "CustomerID",
    "Customer ID",
    "Invoice",
)
DATE_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M")
GOODS = r"^\d{5}[A-Z]*$"
"""What a code of goods looks like; postage, fees, samples and adjustments look otherwise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OrderLog:
    """Clean order lines, oldest first; all arrays have shape (lines,)."""

    invoice: np.ndarray
    code: np.ndarray
    description: np.ndarray
    quantity: np.ndarray
    """Positive."""
    price: np.ndarray
    """Pounds for one piece, positive."""
    customer: np.ndarray
    """'' for a guest."""
    at: np.ndarray
    """datetime64[s]"""
    refunded: np.ndarray
    """True for what was cancelled later."""
    report: tuple[str, ...]


def is_order_log(path: Path) -> bool:
    """Has the file the columns of an order log?"""
    return not _missing(_columns(path))


def read(path: Path) -> OrderLog:
    """Every order line at `path`, a file or a folder of files. Raises UnknownData."""
    files = [path] if path.is_file() else sorted([*path.glob("*.parquet"), *path.glob("*.csv")])
    files = [file for file in files if is_order_log(file)]
    if not files:
        raise UnknownData(f"{path} has no order lines in it.")
    sheets = sorted((_table(file) for file in files), key=_first)
    report = [f"{sum(len(sheet) for sheet in sheets):,} order lines in {len(sheets)} file(s)"]
    table = _joined(sheets, report)
    return _cleaned(table, report)


def _columns(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(parquet.read_schema(path).names)
    with path.open(encoding="utf-8", errors="replace") as lines:
        return [name.strip().strip('"') for name in lines.readline().lstrip("\ufeff").split(",")]


def _missing(columns: Sequence[str]) -> list[str]:
    return [name for name, names in ALIASES.items() if not set(names) & set(columns)]


def _table(path: Path) -> pa.Table:
    """One file with our column names; text where codes could be taken for numbers."""
    raw = parquet.read_table(path) if path.suffix == ".parquet" else _read_csv(path)
    picked: dict[str, Any] = {}
    for name, names in ALIASES.items():
        picked[name] = raw.column(next(each for each in names if each in raw.column_names))
    picked["InvoiceDate"] = _dates(picked["InvoiceDate"])
    picked["CustomerID"] = _customers(picked["CustomerID"])
    for name in ("InvoiceNo", "StockCode", "Description"):
        text = pc.fill_null(picked[name].cast(pa.string()), "")
        picked[name] = pc.utf8_trim_whitespace(text)
    picked["Quantity"] = pc.fill_null(picked["Quantity"].cast(pa.int64(), safe=False), 0)
    picked["UnitPrice"] = pc.fill_null(picked["UnitPrice"].cast(pa.float64()), 0.0)
    return pa.table(picked)


def _read_csv(path: Path) -> pa.Table:
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(TEXT, pa.string()), strings_can_be_null=True
    )
    for encoding in ("utf8", "latin-1"):
        try:
            return csv.read_csv(path, csv.ReadOptions(encoding=encoding), convert_options=convert)
        except pa.ArrowInvalid as error:
            problem = error
    raise UnknownData(f"{path} cannot be read as CSV: {problem}")


def _dates(column: Any) -> Any:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("s"), safe=False)
    for form in DATE_FORMATS:
        parsed = pc.strptime(column, format=form, unit="s", error_is_null=True)
        if parsed.null_count < len(parsed):
            return parsed
    raise UnknownData("InvoiceDate has no date like 2010-12-01 08:26:00.")


def _customers(column: Any) -> Any:
    """Numbers that became 17850.0 on the way, as '17850'; '' for none."""
    if not pa.types.is_string(column.type):
        column = column.cast(pa.int64(), safe=False).cast(pa.string())
    return pc.replace_substring_regex(pc.fill_null(column, ""), r"\.0$", "")


def _first(table: pa.Table) -> Any:
    return pc.min(table["InvoiceDate"]).as_py()


def _joined(sheets: list[pa.Table], report: list[str]) -> pa.Table:
    """All sheets; where one reaches into the next, the days they share are taken from the later."""
    kept = []
    for sheet, later in zip(sheets, [*sheets[1:], None], strict=True):
        if later is None:
            kept.append(sheet)
            continue
        border = pa.scalar(_first(later).replace(hour=0, minute=0, second=0), pa.timestamp("s"))
        own = sheet.filter(pc.less(sheet["InvoiceDate"], border))
        if overlap := len(sheet) - len(own):
            report.append(
                f"{overlap:,} lines removed: both files have them ({border.as_py():%Y-%m-%d} on)"
            )
        kept.append(own)
    return pa.concat_tables(kept)


def _cleaned(table: pa.Table, report: list[str]) -> OrderLog:
    table = table.set_column(1, "StockCode", pc.utf8_upper(table["StockCode"]))
    table = _without_fees(table, report)
    table = _keep(table, pc.is_valid(table["InvoiceDate"]), "without a date", report)
    table = _keep(
        table, pc.greater(table["UnitPrice"], 0.0), "with a zero or negative price", report
    )
    cancelled = pc.starts_with(table["InvoiceNo"], "C")
    odd = pc.and_(pc.invert(cancelled), pc.less_equal(table["Quantity"], 0))
    table = _keep(table, pc.invert(odd), "with no quantity and no cancellation", report)
    table = table.sort_by("InvoiceDate")
    cancelled = pc.starts_with(table["InvoiceNo"], "C").to_numpy()
    return _settled({name: _numpy(table[name]) for name in table.column_names}, cancelled, report)


def _without_fees(table: pa.Table, report: list[str]) -> pa.Table:
    goods = pc.match_substring_regex(table["StockCode"], GOODS)
    fees = table.filter(pc.invert(goods))["StockCode"].value_counts().to_pylist()
    usual = sorted(fees, key=lambda each: -each["counts"])[:5]
    named = ", ".join(f"{each['values']} {each['counts']:,}" for each in usual)
    return _keep(table, goods, f"that are postage, fees or adjustments ({named})", report)


def _keep(table: pa.Table, mask: Any, what: str, report: list[str]) -> pa.Table:
    kept = table.filter(mask)
    if dropped := len(table) - len(kept):
        report.append(f"{dropped:,} lines dropped {what}")
    return kept


def _settled(columns: dict[str, np.ndarray], cancelled: np.ndarray, report: list[str]) -> OrderLog:
    """Cancellations matched to what they take back; the sold lines remain, split where need be."""
    back = _matches(columns, cancelled)
    sold = np.flatnonzero(~cancelled)
    whole = np.minimum(back, columns["Quantity"])
    part = sold[(whole[sold] > 0) & (whole[sold] < columns["Quantity"][sold])]
    rows = np.concatenate([sold, part])
    quantity = columns["Quantity"][rows].copy()
    refunded = whole[rows] > 0
    quantity[: len(sold)] -= np.where(np.isin(sold, part), whole[sold], 0)
    refunded[: len(sold)] &= ~np.isin(sold, part)
    quantity[len(sold) :] = whole[part]
    order = np.argsort(columns["InvoiceDate"][rows], kind="stable")
    rows, quantity, refunded = rows[order], quantity[order], refunded[order]
    guests = columns["CustomerID"][rows] == ""
    report += [
        f"{int(cancelled.sum()):,} cancellations: {int(refunded.sum()):,} sold lines became refunds",
        f"{int(guests.sum()):,} lines without a customer became orders of guests",
        f"{len(rows):,} order lines kept",
    ]
    return OrderLog(
        invoice=columns["InvoiceNo"][rows],
        code=columns["StockCode"][rows],
        description=columns["Description"][rows],
        quantity=quantity,
        price=columns["UnitPrice"][rows],
        customer=columns["CustomerID"][rows],
        at=columns["InvoiceDate"][rows].astype("datetime64[s]"),
        refunded=refunded,
        report=tuple(report),
    )


def _matches(columns: dict[str, np.ndarray], cancelled: np.ndarray) -> np.ndarray:
    """How many pieces of each line came back: taken from the customer's latest earlier lines."""
    back = np.zeros(len(cancelled), dtype=np.int64)
    keys = list(zip(columns["CustomerID"].tolist(), columns["StockCode"].tolist(), strict=True))
    asked = {keys[row] for row in np.flatnonzero(cancelled)} - {("", code) for _, code in keys}
    open_lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if key not in asked:
            continue
        if not cancelled[row]:
            open_lines[key].append(row)
            continue
        left = -int(columns["Quantity"][row])
        for line in reversed(open_lines[key]):
            take = min(left, int(columns["Quantity"][line] - back[line]))
            back[line] += max(take, 0)
            left -= max(take, 0)
    return back


def _numpy(column: Any) -> np.ndarray:
    found = column.to_numpy()
    return found.astype(object) if found.dtype.kind in "UO" else found
