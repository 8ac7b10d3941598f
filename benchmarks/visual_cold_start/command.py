"""The command: options, the worlds, the rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fashion
from benchmarks.harness import Bench, Row, connect, tell
from benchmarks.visual_cold_start import eyes, planted
from benchmarks.visual_cold_start.catalogue import Catalogue, read
from benchmarks.visual_cold_start.compare import Gain, K, Recall, World, measured
from benchmarks.visual_cold_start.shoppers import Crowd, choices
from reco_plugin.types import Floats

SHOPS: dict[str, tuple[str, ...]] = {
    "category": ("articleType",),
    "category and brand": ("articleType", "brand"),
    "title too": ("articleType", "brand", "title"),
    "everything": ("articleType", "brand", "title", "gender", "baseColour", "usage", "season"),
}
"""What a shop says of its products, by its name here."""
SILENT = ("category", "category and brand")
"""Those that leave colours and genders to the eye. The titles of this catalogue name both."""
NO_WORSE = 0.95
"""What pictures may cost where they can tell nothing new."""
LIGHTFM: dict[str, Any] = {"dimensions": 48, "epochs": 90, "learning_rate": 0.05}
"""Epochs enough for early stopping to end every training, with pictures and without."""
SIMULATED = "simulated shoppers, tastes by catalogue attributes"


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What is compared on."""

    catalogue: Catalogue
    vectors: Floats
    unseen: Any
    """bool (n,)"""
    crowd: Crowd
    seeds: int
    config: dict[str, Any]


def main(argv: Sequence[str]) -> int:
    """0 when every bar holds, 1 when one is missed, 2 for what cannot be measured."""
    told = _parser().parse_args(argv)
    try:
        return tell(rows_of(told, Bench(quick=told.quick)), as_json=told.json)
    except fashion.CannotRead as error:
        print(str(error), file=sys.stderr)
        return 2


def rows_of(told: argparse.Namespace, bench: Bench) -> Iterator[Row]:
    """One row for each kind of shop, and one for what pictures do to products that are known."""
    connect()
    setting = _setting(told, bench)
    with bench.progress(2 * len(told.shops) * setting.seeds, "training") as bar:
        for name in told.shops:
            ours = _recall(setting, SHOPS[name], setting.vectors, bar)
            theirs = _recall(setting, SHOPS[name], None, bar)
            yield _unseen_row(name, Gain.of(ours.unseen, theirs.unseen), setting)
            yield _known_row(name, Gain.of(ours.known, theirs.known), setting)


def _setting(told: argparse.Namespace, bench: Bench) -> Setting:
    if told.planted:
        catalogue, vectors, unseen = planted.world()
    else:
        catalogue, vectors, unseen = _real(told, bench)
    return Setting(
        catalogue=catalogue,
        vectors=vectors,
        unseen=unseen,
        crowd=Crowd(shoppers=300 if bench.quick else told.shoppers),
        seeds=1 if bench.quick else told.seeds,
        config={**LIGHTFM, "epochs": 6} if bench.quick else LIGHTFM,
    )


def _real(told: argparse.Namespace, bench: Bench) -> tuple[Catalogue, Floats, Any]:
    """The catalogue, as far as it has pictures, what they look like, and which an encoder never saw."""
    whole = read(told.catalogue)
    looked = eyes.look(
        told.catalogue,
        told.pictures,
        weights=told.weights,
        threads=told.threads,
        quick=bench.quick,
    )
    catalogue = Catalogue(rows=[row for row in whole.rows if int(row["id"]) in looked])
    products = np.asarray([int(row["id"]) for row in catalogue.rows], np.int32)
    return catalogue, np.stack([looked[row] for row in products.tolist()]), eyes.unseen(products)


def _recall(setting: Setting, says: Sequence[str], vectors: Floats | None, bar: Any) -> Recall:
    """Over several worlds: each seed draws its own shoppers and starts its own training."""
    parts = []
    for seed in range(setting.seeds):
        chosen = choices(setting.catalogue.codes, setting.crowd, seed)
        world = World.of(chosen, setting.unseen, seed)
        catalogue, config = setting.catalogue, setting.config
        parts.append(measured(world, catalogue, says, vectors, config=config, seed=seed))
        bar.update()
    return Recall.joined(parts)


def _unseen_row(name: str, gain: Gain, setting: Setting) -> Row:
    """The ratio is the low end of its interval, which must not reach down to 1; where pictures can tell
    nothing that was not written down, they may cost a little."""
    is_told = name not in SILENT
    return Row(
        name=f"unseen, shop says {name}",
        figure=gain.with_pictures,
        floor=gain.without,
        ratio=gain.ratio.mean if is_told else gain.ratio.low,
        bar=NO_WORSE if is_told else 1.0,
        least=True,
        unit=f"recall@{K}",
        note=_note(gain, setting),
    )


def _known_row(name: str, gain: Gain, setting: Setting) -> Row:
    """What pictures cost, or give, those that have a past."""
    return Row(
        name=f"known, shop says {name}",
        figure=gain.with_pictures,
        floor=gain.without,
        ratio=gain.ratio.mean,
        bar=NO_WORSE,
        least=True,
        unit=f"recall@{K}",
        note=_note(gain, setting),
    )


def _note(gain: Gain, setting: Setting) -> str:
    found = gain.difference
    return (
        f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f}, 95 %, paired bootstrap of {found.n:,} "
        f"shoppers, {setting.seeds} seeds), times {gain.ratio.mean:.2f} ({gain.ratio.low:.2f} to "
        f"{gain.ratio.high:.2f}); {SIMULATED}"
    )


def planted_trial() -> argparse.Namespace:
    """Told to try the path."""
    return _parser().parse_args(["--planted", "--shoppers", "1000", "--seeds", "1"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks visual_cold_start")
    fashion.options(parser)
    parser.add_argument(
        "--weights",
        type=Path,
        help="what `visual_retrieval --save` left, instead of an encoder that is taught types alone here",
    )
    parser.add_argument("--planted", action="store_true", help="no data: made up, to try the path")
    parser.add_argument(
        "--shops", nargs="+", choices=list(SHOPS), default=list(SHOPS), help="which to compare"
    )
    parser.add_argument("--shoppers", type=int, default=4_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="one line of JSON per row")
    parser.add_argument("--quick", action="store_true", help="small, to try the path")
    return parser
