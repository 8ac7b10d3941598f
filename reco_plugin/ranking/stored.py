"""What members think of the entries of a list, as a short text: a row of the database holds thousands of lists'
numbers, and a page reads dozens of rows."""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt

from reco_plugin.types import Ints

WHOLE = 65_535
"""The largest number: two bytes each."""
_KIND = np.dtype("<u2")


def written(values: Ints) -> str:
    """Of (members, entries) numbers 0..WHOLE."""
    return base64.b64encode(values.astype(_KIND).tobytes()).decode()


def read(text: str, members: int) -> npt.NDArray[np.uint16]:
    """(members, entries). Raises ValueError for what `written` did not write."""
    found = np.frombuffer(base64.b64decode(text, validate=True), _KIND)
    return found.reshape(members, -1) if members else found.reshape(0, 0)
