"""The benchmark of visual retrieval: its data, and the whole path on planted pictures."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not shipped"
)


@pytest.fixture(autouse=True)
def rooted(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def shop(tmp_path):
    """Four products: one without a picture, one whose picture is none."""
    images = pytest.importorskip("PIL.Image")
    from benchmarks.fashion import LABELS

    with (tmp_path / "c.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["id", *LABELS])
        table.writeheader()
        for number in range(4):
            table.writerow({"id": number, **dict.fromkeys(LABELS, "x"), "baseColour": "NA"})
    with tarfile.open(tmp_path / "p.tar", "w") as archive:
        for name in ("0", "2", "3"):
            data = io.BytesIO()
            images.new("RGB", (50, 40), (200, 30, 30)).save(data, "JPEG")
            content = b"no picture" if name == "3" else data.getvalue()
            member = tarfile.TarInfo(f"images/{name}.jpg")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return tmp_path


def test_products_with_a_picture_are_read(shop):
    from benchmarks import fashion

    found = fashion.read(str(shop / "c.csv"), str(shop / "p.tar"), (32, 40))
    assert found.products.tolist() == [0, 2]
    assert {side: some.shape for side, some in found.pictures.items()} == {
        32: (2, 32, 32, 3),
        40: (2, 40, 40, 3),
    }
    assert found.labels["gender"].tolist() == [0, 0]
    assert found.labels["baseColour"].tolist() == [-1, -1]


def test_data_is_looked_for_in_the_folder_of_the_benchmarks(shop, monkeypatch):
    from benchmarks import fashion

    monkeypatch.setenv("BENCH_DATA", str(shop))
    assert len(fashion.read("c.csv", "p.tar", (32,), most=1).products) <= 1
    with pytest.raises(fashion.CannotRead, match="set BENCH_DATA"):
        fashion.read("other.csv", "p.tar", (32,))
    (shop / "c.csv").write_text("id,gender\n1,x\n")
    with pytest.raises(fashion.CannotRead, match="no column articleType"):
        fashion.read("c.csv", "p.tar", (32,))


def test_no_data_is_a_usage_error(capsys):
    from benchmarks.visual_retrieval import main

    assert main(["--catalogue", "/nowhere.csv"]) == 2
    assert "There is no /nowhere.csv" in capsys.readouterr().err


def test_histograms_are_of_colours_and_not_of_places():
    from benchmarks.visual_retrieval import histograms

    random = np.random.default_rng(0)
    some = random.integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    rows = histograms(some)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert np.array_equal(rows, histograms(some[:, ::-1]))
    assert not np.array_equal(rows[0], rows[1])


def test_the_minutes_of_a_broken_off_training_count(tmp_path):
    from benchmarks.visual_retrieval import Clock

    state, minutes = tmp_path / "state.npz", tmp_path / "state.npz.minutes"
    minutes.write_text(json.dumps([10.0, 15.0]))
    assert Clock(state).tick(last=True)[0] < 1  # there is no state to go on from
    assert json.loads(minutes.read_text())[0] < 1
    minutes.write_text(json.dumps([10.0, 15.0]))
    state.touch()
    wall, processor = Clock(state).tick()
    assert 10 <= wall < 11
    assert 15 <= processor < 16


def test_the_path_on_planted_pictures():
    pytest.importorskip("torchvision")
    from benchmarks import visual_retrieval as bench
    from benchmarks.fashion import planted

    told = bench._parser().parse_args(["--threads", "1"])
    rows = list(bench._rows(planted(80, (32, 40)), {**bench.SMALL, "epochs": 1}, told))
    assert [row.bar for row in rows] == [0.78, 1.25, 0.40, 1.0, 1.0, 1.0]
    assert "16 queries among 80" in rows[0].note
    assert all(0 <= row.figure <= 1 for row in (rows[0], rows[2], rows[4], rows[5]))
