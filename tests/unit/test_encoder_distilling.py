"""A student sees what its teacher sees, in the same blocks, with the same heads, and says how well."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="the extra `images` is not installed")

from reco_plugin.encoders import distilling, network
from reco_plugin.encoders.resnet import ResNetEncoder
from reco_plugin.encoders.torches import torch
from reco_plugin.encoders.weights import Block, Weights
from reco_plugin.exceptions import NotEnoughData, TrainingFailed

SIZE = 32
QUICK = {"epochs": 5, "batch": 16, "crop": 0.9, "precision": "float32"}


BLOCKS = (Block(name="category", size=12, share=0.7), Block(name="colour", size=4, share=0.3))


def teacher(blocks=BLOCKS, architecture="student"):
    torch.manual_seed(1)
    heads = {block.name: 3 for block in blocks}
    made = network.Network(architecture, stem="small", blocks=blocks, heads=heads)
    return Weights(
        architecture=architecture,
        size=SIZE,
        stem="small",
        arrays=network.arrays_of(made),
        blocks=blocks,
        classes=dict.fromkeys(heads, ("a", "b", "c")),
    )


@pytest.fixture(scope="module")
def pictures():
    random = np.random.default_rng(5)
    colours = random.integers(30, 220, (8, 1, 1, 3))
    noise = random.integers(-25, 25, (96, SIZE, SIZE, 3))
    return (np.repeat(colours, 12, axis=0) + noise).clip(0, 255).astype(np.uint8)


def likeness(one: Weights, other: Weights, pictures) -> float:
    vectors = [ResNetEncoder(each, device="cpu").encode(pictures) for each in (one, other)]
    return float((vectors[0] * vectors[1]).sum(axis=1).mean())


def test_it_comes_to_see_what_its_teacher_sees(pictures):
    given, told = teacher(), []
    student = distilling.distil(
        given, pictures, QUICK, threads=1, progress=lambda *words: told.append(words)
    )
    assert student.architecture == "student"
    assert (student.blocks, student.classes, student.size) == (given.blocks, given.classes, SIZE)
    assert student.fingerprint != given.fingerprint
    for at in range(2):
        assert np.array_equal(student.arrays[f"heads.{at}"], given.arrays[f"heads.{at}"])
    least = distilling.distil(given, pictures[:48], {**QUICK, "epochs": 1, "learning_rate": 1e-9})
    found = likeness(student, given, pictures)
    assert found > likeness(least, given, pictures) + 0.25
    assert float(re.search(r"cosine (\d\.\d+)", student.notes[0])[1]) == pytest.approx(
        found, abs=0.15
    )
    assert told[-1] == ("distil", told[-1][2], told[-1][2])


def test_the_same_seed_gives_the_same_student(pictures):
    quick = {**QUICK, "epochs": 1}
    prints = {
        distilling.distil(teacher(), pictures[:40], quick, seed=seed, threads=1).fingerprint
        for seed in (3, 3, 4)
    }
    assert len(prints) == 2


def test_a_teacher_without_projection(pictures):
    given = teacher(blocks=(), architecture="resnet10")
    student = distilling.distil(given, pictures[:40], {**QUICK, "epochs": 1})
    assert student.dimension == given.dimension == 512


def test_too_little_to_learn_from_and_odd_wishes(pictures):
    with pytest.raises(NotEnoughData, match="10 pictures"):
        distilling.distil(teacher(), pictures[:10])
    with pytest.raises(ValueError, match=r"architectur.*architecture"):
        distilling.distil(teacher(), pictures, {"architectur": "student"})
    for wrong in (
        {"epochs": 0},
        {"batch": 1},
        {"crop": 0.0},
        {"learning_rate": -1.0},
        {"alike": -1.0},
    ):
        with pytest.raises(ValueError, match="must"):
            distilling.distil(teacher(), pictures, wrong)


def test_a_loss_that_is_no_number_is_told(pictures):
    given = teacher()
    broken = {**given.arrays, "project.bias": np.full(16, np.nan, np.float32)}
    with pytest.raises(TrainingFailed, match="learning_rate"):
        distilling.distil(
            Weights(architecture="student", size=SIZE, stem="small", arrays=broken,
                    blocks=given.blocks, classes=given.classes),
            pictures, QUICK,
        )  # fmt: skip


# --- as an option of the built-in networks --------------------------------------------------------


def test_a_student_takes_its_teachers_place(pictures):
    from reco_plugin.encoders.packing import Lesson
    from reco_plugin.encoders.registry import Way, kind

    labels = {"colour": np.repeat(np.arange(8, dtype=np.int32), 12)}
    lesson = Lesson(
        pictures=pictures,
        labels=labels,
        products=np.arange(96, dtype=np.int32),
        pairs=np.zeros((0, 2), np.int32),
        classes={"colour": tuple("abcdefgh")},
    )
    config = {
        "architecture": "resnet10",
        "stem": "small",
        "size": SIZE,
        "first_size": SIZE,
        "epochs": 1,
        "batch": 16,
        "precision": "float32",
        "flip": False,
        "distil": {**QUICK, "epochs": 1},
    }
    told = []
    found = kind("resnet18").fine_tune(
        lesson, config, teacher(), Way(threads=1), lambda *words: told.append(words[0])
    )
    assert found.weights.architecture == "student"
    assert found.weights.classes == {"colour": tuple("abcdefgh")}
    assert "A student of a resnet10" in found.notes[-1]
    assert {"train", "distil"} <= set(told)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"epoch": 3}, "epochs"), ("student", "must be a dict"), ({"epochs": 0}, "epochs")],
)
def test_an_odd_wish_for_a_student_is_told_before_anything_is_taught(wrong, words):
    from reco_plugin.encoders.registry import kind

    with pytest.raises(ValueError, match=words):
        kind("resnet18").size({"distil": wrong})
    assert kind("resnet18").size({"distil": {}}) == kind("resnet18").size({})
