"""The simulated shoppers of `visual_cold_start`, and how what they did is cut: nothing leaks into training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not shipped"
)


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import visual_cold_start as package
    from benchmarks.visual_cold_start import catalogue, compare, planted, shoppers

    return {
        one.__name__.rpartition(".")[2]: one
        for one in (package, catalogue, compare, planted, shoppers)
    }


@pytest.fixture
def world(bench):
    catalogue, _, unseen = bench["planted"].world()
    crowd = bench["shoppers"].Crowd(shoppers=80)
    chosen = bench["shoppers"].choices(catalogue.codes, crowd, 0)
    return catalogue, unseen, chosen, bench["compare"].World.of(chosen, unseen, 0)


def test_shoppers_choose_by_what_the_catalogue_says(bench):
    """Who likes nothing but types keeps to few of them."""
    catalogue, _, _ = bench["planted"].world()
    codes = catalogue.codes
    keen = bench["shoppers"].Crowd(shoppers=40, fewest=12, most=12, spread={"articleType": 8.0})
    chosen = bench["shoppers"].choices(codes, keen, 0)
    assert np.diff(chosen.indptr).tolist() == [12] * 40
    assert (chosen.data == 1).all()
    types = [len(set(codes["articleType"][chosen[row].indices])) for row in range(40)]
    colours = [len(set(codes["baseColour"][chosen[row].indices])) for row in range(40)]
    assert np.mean(types) < 3 < np.mean(colours)


def test_the_same_seed_draws_the_same_shoppers(bench, world):
    catalogue, _, chosen, _ = world
    again = bench["shoppers"].choices(catalogue.codes, bench["shoppers"].Crowd(shoppers=80), 0)
    assert (again != chosen).nnz == 0


def test_every_choice_is_in_one_part_and_unseen_products_in_none_but_theirs(world):
    _, unseen, chosen, cut = world
    parts = (cut.learnt, cut.validation, cut.known, cut.unseen)
    assert abs(sum(parts) - chosen).nnz == 0
    for part in parts[:3]:
        assert not part[:, unseen].nnz
        assert part.nnz
    assert not cut.unseen[:, ~unseen].nnz


def test_a_shop_says_no_more_than_it_is_told_to(world):
    catalogue = world[0]
    plain = catalogue.items(("articleType",))[0]
    assert plain.categories == ("all > all > " + catalogue.rows[0]["articleType"],)
    assert (plain.brand, plain.title, plain.attributes) == ("", "", {})
    whole = catalogue.items(("articleType", "brand", "title", "baseColour"))[0]
    assert whole.brand == catalogue.rows[0]["brand"]
    assert whole.attributes == {"baseColour": catalogue.rows[0]["baseColour"]}


def test_a_first_word_that_others_share_is_a_brand(bench, tmp_path):
    head = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName"
    lines = [
        f"{at},Men,A,B,C,Red,Fall,2010,Casual,{'Acme' if at < 5 else 'Rare'} thing"
        for at in range(8)
    ]
    file = tmp_path / "catalogue.csv"
    file.write_text("\n".join([head, *lines]))
    found = bench["catalogue"].read(str(file))
    assert [row["brand"] for row in found.rows] == ["acme"] * 5 + [""] * 3
    file.write_text("id,gender\n1,Men")
    from benchmarks.fashion import CannotRead

    with pytest.raises(CannotRead, match="articleType"):
        bench["catalogue"].read(str(file))
