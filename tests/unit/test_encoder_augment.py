from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torchvision")

from reco_plugin.encoders import losses
from reco_plugin.encoders.augment import Strength, augmented, resized, shrunk
from reco_plugin.encoders.resnet import normalised
from reco_plugin.encoders.torches import functional, torch

STILL = Strength(crop=1.0, stretch=1.0, turn=0.0, light=0.0, erase=0.0)


def some(count: int = 6, side: int = 40):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 255


def drawn(seed: int = 1):
    return torch.Generator().manual_seed(seed)


def test_without_strength_a_picture_is_itself_or_its_mirror_image():
    pictures = some()
    seen = augmented(pictures, 40, STILL, drawn())
    turned = 0
    for before, after in zip(pictures, seen, strict=True):
        mirrored = torch.allclose(after, before.flip(2), atol=0.05)
        turned += mirrored
        assert mirrored or torch.allclose(after, before, atol=0.05)
    assert 0 < turned < len(pictures)


def test_the_same_draw_gives_the_same_pictures():
    one, again, other = (augmented(some(), 32, Strength(), drawn(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_what_is_seen_has_its_size_and_stays_in_range():
    seen = augmented(some(side=100), 32, Strength(light=0.5), drawn())
    assert seen.shape == (6, 3, 32, 32)
    assert float(seen.min()) >= 0
    assert float(seen.max()) <= 255


def test_beyond_the_edge_is_white():
    black = torch.zeros(20, 3, 40, 40)
    seen = augmented(black, 40, Strength(turn=40.0, crop=1.0, light=0.0, erase=0.0), drawn())
    assert float(seen[:, :, 0, 0].max()) == pytest.approx(255.0)
    assert float(seen[:, :, 20, 20].max()) == pytest.approx(0.0, abs=0.01)


def test_some_pictures_lose_a_rectangle():
    white = torch.full((40, 3, 32, 32), 255.0)
    seen = augmented(white, 32, Strength(light=0.0, erase=0.5), drawn())
    holes = (seen == 127.5).flatten(1).any(dim=1)
    assert 5 < int(holes.sum()) < 35


def test_large_pictures_are_smoothed_before_they_are_sampled():
    assert shrunk(some(side=128), 64).shape[-1] == 80
    assert shrunk(some(side=80), 64).shape[-1] == 80
    checks = torch.zeros(1, 3, 64, 64)
    checks[:, :, ::2, ::2] = checks[:, :, 1::2, 1::2] = 255.0
    grey = resized(checks, 16)[:, :, 2:-2, 2:-2]
    assert float((grey - 127.5).abs().max()) < 10
    assert resized(checks, 64) is checks


def test_colours_stay_what_they_are():
    red = torch.tensor([200.0, 40.0, 40.0])[None, :, None, None].expand(30, 3, 32, 32)
    seen = augmented(red, 32, Strength(erase=0.0, turn=0.0), drawn())
    middle = seen.mean(dim=(2, 3))
    assert bool((middle[:, 0] > 2 * middle[:, 1]).all())


def test_pixels_are_brought_to_the_range_a_network_knows():
    found = normalised(torch.full((1, 3, 2, 2), 255.0), (0.5, 0.5, 0.0), (0.5, 0.25, 1.0))
    assert found[0, :, 0, 0].tolist() == pytest.approx([1.0, 2.0, 1.0])
    assert found.is_contiguous(memory_format=torch.channels_last)


# --- losses ---------------------------------------------------------------------------------------


def test_unknown_labels_count_for_nothing():
    said = {"kind": torch.tensor([[2.0, 0.0], [0.0, 2.0], [5.0, -5.0]])}
    known = losses.classification(said, {"kind": torch.tensor([0, 1, -1])}, smoothing=0.0)
    own = functional.cross_entropy(said["kind"][:2], torch.tensor([0, 1]))
    assert float(known["kind"]) == pytest.approx(float(own))
    none = losses.classification(said, {"kind": torch.tensor([-1, -1, -1])}, smoothing=0.1)
    assert float(none["kind"]) == 0.0


def test_attraction_is_of_products_attributes_and_pairs():
    kind, hue = torch.tensor([0, 0, 0, 1, -1]), torch.tensor([0, 0, 1, 0, -1])
    products = torch.tensor([1, 2, 3, 4, 4])
    bought = torch.zeros(5, 5, dtype=torch.bool)
    bought[0, 3] = bought[3, 0] = True
    found = losses.attraction([kind, hue], products, bought)
    assert found[0].tolist() == [1.0, 1.0, 0.5, 0.5, 0.0]
    assert found[3].tolist() == [0.5, 0.0, 0.0, 1.0, 1.0]
    assert torch.equal(found, found.T)


def test_attraction_without_labels_is_of_products_and_pairs():
    found = losses.attraction([], torch.tensor([1, 1, 2]))
    assert found.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_contrast_is_least_when_what_belongs_together_is_together():
    pull = losses.attraction([torch.tensor([0, 0, 1, 1])], torch.arange(4))
    apart = functional.normalize(torch.tensor([[1.0, 0], [0, 1], [1, 0.1], [0.1, 1]]), dim=1)
    close = functional.normalize(torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]]), dim=1)
    near, far = (losses.contrast(rows, pull, temperature=0.1) for rows in (close, apart))
    assert float(near) < 0.1 < 5 < float(far)


def test_contrast_of_one_pair_is_what_it_is_by_hand():
    rows = functional.normalize(torch.randn(4, 3, generator=drawn()), dim=1)
    pull = torch.zeros(4, 4)
    pull[0, 1] = pull[1, 0] = 1.0
    likeness = (rows @ rows.T / 0.5).numpy().astype(np.float64)
    by_hand = [
        np.log(sum(np.exp(likeness[a, c]) for c in range(4) if c != a)) - likeness[a, b]
        for a, b in ((0, 1), (1, 0))
    ]
    assert float(losses.contrast(rows, pull, temperature=0.5)) == pytest.approx(
        np.mean(by_hand), 1e-5
    )


def test_contrast_of_nothing_that_belongs_together_is_nothing():
    rows = functional.normalize(torch.randn(3, 4, generator=drawn()), dim=1).requires_grad_()
    loss = losses.contrast(rows, torch.eye(3), temperature=0.1)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert bool(torch.isfinite(rows.grad).all())
