"""The floor of the `page` benchmark orders as we do: otherwise it would not be for the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reco_plugin.ranking.diversify import diversify
from reco_plugin.ranking.mix import mix
from reco_plugin.types import Candidate, KindShare, Rung

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not shipped"
)


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import page_bare

    return page_bare


@pytest.fixture(params=range(5))
def rng(request):
    return np.random.default_rng(request.param)


def candidates(keys):
    return [
        Candidate(key=key, score=1.0, source="x", rung=Rung.CONTEXTUAL, reason="") for key in keys
    ]


def sent(vector):
    """As vector_send gives it."""
    return bytes(4) + vector.astype(">f4").tobytes()


def test_it_mixes_as_we_do(bare, rng):
    first = rng.permutation(30)[:20].tolist()
    second = rng.permutation(30)[:20].tolist()
    shares = [KindShare(kind="a", weight=1.0), KindShare(kind="b", weight=0.5)]
    ours = mix(list(zip(shares, map(candidates, (first, second)), strict=True)))
    assert bare._mixed((1.0, first), (0.5, second)) == [one.key for one in ours]


def test_it_varies_as_we_do(bare, rng):
    keys = list(range(40))
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    known = {key: (key, "", "", "", sent(vectors[key])) for key in keys}
    ours = diversify(
        candidates(keys), bare.VARIETY, size=8, vectors=dict(enumerate(vectors)), facts={}
    )
    assert list(bare._varied(keys, known)) == [one.key for one in ours]


def test_it_shows_no_product_twice_and_caps_what_goes_with_it(bare):
    known = {key: (key, "lamps" if key < 5 else "rugs") for key in range(10)}
    live = {key: (key,) for key in range(10) if key != 1}
    together, *rest = bare._slates([range(10), range(10), [9, 1], []], live, known)
    assert together == [(0,), (2,), (5,), (6,)]
    assert rest == [[(3,), (4,), (7,), (8,), (9,)], [], []]
