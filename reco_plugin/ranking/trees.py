"""Trees that put in order what a linear ranker leaves: LambdaMART (Burges 2010) by LightGBM, the extra `lightgbm`.

They are boosted from the score of the linear ranker, so that with no trees at all it is the linear ranker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.ranking.forest import SPLITS, Forest
from reco_plugin.types import Floats

MOST = 300
"""Trees."""
PATIENCE = 25
"""Trees without any gain on what is held out, after which no more are grown."""
GRADES = 10
"""Of what was taken, the dearest of a list; the others in proportion."""
FORM = {
    "objective": "lambdarank",
    "metric": "ndcg",
    "eval_at": [10],
    "label_gain": list(range(GRADES + 1)),
    "lambdarank_truncation_level": 30,
    "learning_rate": 0.1,
    "num_leaves": SPLITS + 1,
    "max_bin": 63,
    "min_data_in_leaf": 50,
    "lambda_l2": 5.0,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "use_missing": False,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Offered:
    """Lists of candidates, one after another."""

    told: Floats
    """(c, columns)"""
    counts: npt.NDArray[np.int64]
    """(lists,)"""
    gains: npt.NDArray[np.float64]
    """(c,) what it is worth that a candidate was taken; 0: it was not."""
    base: Floats
    """(c,) the score by the linear ranker."""

    @property
    def lists(self) -> npt.NDArray[np.int64]:
        """(c,) of which list each candidate is."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def select(self, chosen: npt.NDArray[np.bool_]) -> Offered:
        """These of the lists."""
        kept = chosen[self.lists]
        return Offered(
            told=self.told[kept],
            counts=self.counts[chosen],
            gains=self.gains[kept],
            base=self.base[kept],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Grown:
    """Trees as they were learnt."""

    columns: tuple[str, ...]
    booster: Any
    curve: Sequence[float]
    """NDCG@10 on what was watched, after each tree; empty where nothing was."""

    def forest(self, most: int | None = None) -> Forest:
        """The first `most` trees."""
        told = self.booster.dump_model(num_iteration=most)["tree_info"]
        parts = [_arrays(tree["tree_structure"]) for tree in told]
        gained = self.booster.feature_importance("gain", iteration=most)
        return Forest(
            columns=self.columns,
            features=np.array([part[0] for part in parts], np.int16).reshape(-1, SPLITS),
            thresholds=np.array([part[1] for part in parts], np.float32).reshape(-1, SPLITS),
            low=np.array([part[2] for part in parts], np.int8).reshape(-1, SPLITS),
            high=np.array([part[3] for part in parts], np.int8).reshape(-1, SPLITS),
            leaves=np.array([part[4] for part in parts], np.float32).reshape(-1, SPLITS + 1),
            believed=tuple((gained / max(float(gained.sum()), 1e-12)).tolist()),
        )


def missing() -> str:
    """Why no trees can be grown here, and what to do about it; '' where they can."""
    try:
        import lightgbm  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "lightgbm":
            raise
        return "lightgbm is not installed: python -m pip install 'django-reco-plugin[lightgbm]'"
    except OSError as error:
        return f"lightgbm is installed but cannot be loaded ({error}); it needs the OpenMP library."
    return ""


def grow(
    learn: Offered,
    columns: Sequence[str],
    *,
    most: int = MOST,
    watch: Offered | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Grown:
    """At most `most` trees; while `watch` is given, only until it gains nothing any more."""
    import lightgbm

    form = {**FORM, "seed": seed, "num_threads": max(threads, 1)}
    data = _dataset(lightgbm, learn)
    curve: dict[str, Any] = {}
    watched: dict[str, Any] = {}
    if watch is not None:
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        watched = {
            "valid_sets": [_dataset(lightgbm, watch, data)],
            "valid_names": ["held out"],
            "callbacks": [stop, lightgbm.record_evaluation(curve)],
        }
    booster = lightgbm.train(form, data, num_boost_round=most, **watched)
    return Grown(
        columns=tuple(columns),
        booster=booster,
        curve=curve.get("held out", {}).get("ndcg@10", []),
    )


def _dataset(library: Any, offered: Offered, like: Any = None) -> Any:
    return library.Dataset(
        offered.told,
        label=_grades(offered),
        group=offered.counts,
        init_score=offered.base.astype(np.float64),
        reference=like,
        params={"verbosity": -1, "use_missing": False},
    )


def _grades(offered: Offered) -> npt.NDArray[np.int32]:
    """(c,) 0 for what was not taken, GRADES for the dearest of its list."""
    starts = np.cumsum(offered.counts) - offered.counts
    dearest = np.maximum.reduceat(offered.gains, starts)[offered.lists]
    return np.ceil(GRADES * offered.gains / np.maximum(dearest, 1e-12)).astype(np.int32)


# --- as arrays -----------------------------------------------------------------------------------


def _arrays(tree: Mapping[str, Any]) -> tuple[list[int], list[float], list[int], list[int], Any]:
    """features, thresholds, low, high, leaves, each as long as a tree may be."""
    features, thresholds = [0] * SPLITS, [np.float32(0)] * SPLITS
    low, high = [~0] * SPLITS, [~0] * SPLITS
    leaves = [0.0] * (SPLITS + 1)
    for node in _nodes(tree):
        if "split_index" not in node:
            leaves[node.get("leaf_index", 0)] = node["leaf_value"]
            continue
        at = node["split_index"]
        features[at], thresholds[at] = node["split_feature"], _at_most(node["threshold"])
        low[at], high[at] = _place(node["left_child"]), _place(node["right_child"])
    return features, thresholds, low, high, leaves  # type: ignore[return-value]


def _nodes(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield tree
    for side in ("left_child", "right_child"):
        if side in tree:
            yield from _nodes(tree[side])


def _place(node: Mapping[str, Any]) -> int:
    return int(node["split_index"]) if "split_index" in node else ~int(node["leaf_index"])


def _at_most(threshold: float) -> np.float32:
    """The largest float32 that is no larger: the same float32 numbers go low."""
    near = np.float32(threshold)
    return near if near <= threshold else np.nextafter(near, np.float32(-np.inf))
