"""What a ranker is asked: who, where they are, when, and what may not be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.trainers.histories import Histories, Times


@dataclass(frozen=True, kw_only=True, eq=False)
class Requests:
    """n requests at once."""

    past: Histories
    """(n rows) what the shopper did before; empty rows for someone new."""
    here: Histories | None = None
    """(n rows) the cart or the visit that is going on, which is not in `past`."""
    now: Times | None = None
    """(n,) microseconds of the Unix epoch; None where only the order of events is known."""
    exclude: sparse.csr_matrix | None = None
    """(n, n_items) stored entries are never answered."""
    eligible: npt.NDArray[np.bool_] | None = None
    """(n_items,) what can be sold; None for everything."""

    def __len__(self) -> int:
        return len(self.past)

    @property
    def n_items(self) -> int:
        return self.past.n_items

    def select(self, rows: npt.NDArray[np.integer[Any]]) -> Requests:
        """These requests, in this order."""
        return Requests(
            past=self.past.select(rows),
            here=None if self.here is None else self.here.select(rows),
            now=None if self.now is None else self.now[rows],
            exclude=None if self.exclude is None else self.exclude[rows],
            eligible=self.eligible,
        )

    def barred(self) -> npt.NDArray[np.bool_]:
        """(n, n_items) what may not be answered."""
        found = np.zeros((len(self), self.n_items), dtype=np.bool_)
        if self.eligible is not None:
            found[:, ~self.eligible] = True
        if self.exclude is not None:
            rows = np.repeat(np.arange(len(self)), np.diff(self.exclude.indptr))
            found[rows, self.exclude.indices] = True
        return found
