"""The times of a table's column, however they are written, as microseconds of the Unix epoch."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.files import CannotRead

MISSING = np.iinfo(np.int64).min
"""Where there is no time."""
UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (np.inf, 1e-3))
"""(numbers below it, microseconds of one): seconds, milliseconds, microseconds, nanoseconds."""
LEAST, MOST = -62_135_596_800e6, 9.2e18
"""The year 1, and what 64 bits hold."""
DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y")
CLOCKS = ("", " %H:%M", " %H:%M:%S")
ZONE = r"[Tt ]\d\d:?\d\d.*([Zz]|[+-]\d\d:?(\d\d)?)$"

_Micros = npt.NDArray[np.int64]


def microseconds(column: Any) -> _Micros:
    """Of a column of numbers, dates, times or text; MISSING where there is none. Raises CannotRead."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), MISSING)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers(_floats(column))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _stamps(column.cast(pa.timestamp("us"), safe=False))
    return _words(column)


def _floats(column: Any) -> npt.NDArray[np.float64]:
    import pyarrow as pa

    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _numbers(values: npt.NDArray[np.float64]) -> _Micros:
    """Of most of them the unit is read: one that is far off tells nothing of the others."""
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(values), MISSING)
    if _are_days(values[known]):
        return _days(values, known)
    size = float(np.median(np.abs(values[known])))
    scaled = values * next(unit for most, unit in UNITS if size < most)
    known &= scaled >= LEAST
    found = np.full(len(values), MISSING)
    found[known] = np.minimum(scaled[known], MOST).astype(np.int64)
    return found


def _are_days(values: npt.NDArray[np.float64]) -> bool:
    """20260131 is a day of the calendar."""
    month, day = values // 100 % 100, values % 100
    whole = (values >= 19_000_101) & (values < 21_010_000) & (values == np.floor(values))
    return bool((whole & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def _days(values: npt.NDArray[np.float64], known: npt.NDArray[np.bool_]) -> _Micros:
    found = np.full(len(values), MISSING)
    told = values[known].astype(np.int64)
    months = ((told // 10_000 - 1970) * 12 + told // 100 % 100 - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (told % 100 - 1)
    found[known] = days.astype("datetime64[us]").astype(np.int64)
    return found


def _stamps(column: Any) -> _Micros:
    import pyarrow as pa
    from pyarrow import compute

    return np.asarray(compute.fill_null(column.cast(pa.int64()), MISSING).to_numpy())


def _words(column: Any) -> _Micros:
    import pyarrow as pa
    from pyarrow import compute

    try:
        text = compute.utf8_trim_whitespace(column.cast(pa.string()))
    except pa.ArrowException as error:
        raise CannotRead(
            f"The column of times holds {column.type}; write 2026-01-31T12:00:00."
        ) from error
    text = compute.if_else(compute.equal(text, ""), None, text)
    for read in (_as_numbers, _iso, _others):
        try:
            return read(text)
        except pa.ArrowInvalid:
            continue
    raise CannotRead(f"The times are not ISO 8601 ({_example(text)}); write 2026-01-31T12:00:00.")


def _as_numbers(text: Any) -> _Micros:
    return _numbers(_floats(text))


def _iso(text: Any) -> _Micros:
    """What names no zone is UTC."""
    import pyarrow as pa
    from pyarrow import compute

    text = compute.replace_substring_regex(text, r"\s*(UTC|GMT)$", "Z")
    text = compute.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")
    text = compute.replace_substring_regex(text, r"^(\d{4}-\d\d-\d\d)$", r"\1T00:00:00")
    zoned = compute.match_substring_regex(text, ZONE)
    text = compute.if_else(zoned, text, compute.binary_join_element_wise(text, "Z", ""))
    return _stamps(text.cast(pa.timestamp("us", "UTC")))


def _others(text: Any) -> _Micros:
    """Any other way that all are written in, if it is one. Raises ArrowInvalid, and CannotRead where it is several."""
    import pyarrow as pa
    from pyarrow import compute

    fits = []
    for form in map("".join, product(DATES, CLOCKS)):
        found = compute.strptime(text, format=form, unit="us", error_is_null=True)
        if found.null_count == text.null_count:
            fits.append(found)
    if not fits:
        raise pa.ArrowInvalid("no date")
    if len(fits) > 1:
        raise CannotRead(
            f"The times may begin with the day or the month ({_example(text)}); write 2026-01-31T12:00:00."
        )
    return _stamps(fits[0])


def _example(text: Any) -> str:
    """One that is not ISO."""
    from pyarrow import compute

    odd = compute.invert(compute.match_substring_regex(text, r"^\d{4}-\d\d-\d\d"))
    found = text.filter(compute.fill_null(odd, False)) or text.drop_null()
    return repr(found[0].as_py()) if len(found) else "none"
