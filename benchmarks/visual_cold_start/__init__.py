"""Products nobody has met: the hybrid with what pictures show among its features, beside without.

    python -m benchmarks visual_cold_start [--catalogue FILE.csv --pictures FILE.tar] [--json]

Shoppers are simulated: there is no public log of a shop whose pictures may be had too. Their tastes are drawn
from what the catalogue says of products (type, colour, gender, brand, usage, season), never from an encoder's
vectors. A fifth of the products is unseen: by the shoppers that are trained on, and by the encoder, which is
taught by the other products' types alone. `--planted` tries the path without data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.harness import Bench, Row

TITLE = "recall@10 on products unseen in training: LightFM with image features beside without"


def run(bench: Bench) -> Iterator[Row]:
    """On planted data."""
    from benchmarks.visual_cold_start.command import planted_trial, rows_of

    return rows_of(planted_trial(), bench)


def main(argv: Sequence[str]) -> int:
    """With its own options; 0 when the bars hold, 1 when one is missed, 2 for what cannot be measured."""
    from benchmarks.visual_cold_start.command import main as command

    return command(argv)
