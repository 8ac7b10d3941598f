"""The encoder on torch: for jobs, on a GPU where there is one. Requests use ONNX instead."""

from __future__ import annotations

import numpy as np

from reco_plugin.encoders import network, torches
from reco_plugin.encoders.base import Pixels
from reco_plugin.encoders.torches import Tensor, torch
from reco_plugin.encoders.weights import IMAGENET_MEAN, IMAGENET_STD, Weights
from reco_plugin.types import Floats

BATCH = 64
"""Pictures that go through the network together."""


class ResNetEncoder:
    """A network at work. Raises EncoderUnavailable when the weights are not those of their network."""

    def __init__(
        self,
        weights: Weights,
        *,
        device: str = "auto",
        threads: int = 0,
        precision: str = "float32",
        batch: int = BATCH,
    ) -> None:
        self._weights, self._batch = weights, batch
        torches.threads(threads)
        self.device = torches.device_of(device)
        self._precision = precision
        self._network = network.build(weights).to(self.device, memory_format=torch.channels_last)
        self._fingerprint = weights.fingerprint

    @property
    def size(self) -> int:
        return self._weights.size

    @property
    def dimension(self) -> int:
        return self._weights.dimension

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def encode(self, pictures: Pixels) -> Floats:
        """(n, size, size, 3) in, (n, dimension) out, each row of length 1. Raises ValueError."""
        check(pictures, self.size)
        found = np.empty((len(pictures), self.dimension), dtype=np.float32)
        with torch.inference_mode(), torches.mixed(self.device, self._precision):
            for start in range(0, len(pictures), self._batch):
                some = pictures[start : start + self._batch]
                found[start : start + len(some)] = self._look(some)
        return found

    def _look(self, pictures: Pixels) -> Floats:
        ready = prepared(pictures, self._weights, self.device)
        rows = self._network(ready)
        if self._weights.flip:
            rows = torch.nn.functional.normalize(rows + self._network(ready.flip(3)), dim=1)
        return rows.float().cpu().numpy()  # type: ignore[no-any-return]


def check(pictures: Pixels, size: int) -> None:
    """Raise ValueError unless these are pictures of that size."""
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (size, size, 3):
        raise ValueError(
            f"Pictures must be uint8 (n, {size}, {size}, 3), not {pictures.dtype} {pictures.shape}."
        )


def prepared(pictures: Pixels, weights: Weights, device: object) -> Tensor:
    """Pixels as the network takes them, (n, 3, size, size) float32, channels last in memory."""
    own = np.require(pictures, requirements=["C", "W"])  # torch warns of memory it may not write to
    tensor = torch.from_numpy(own).to(device, non_blocking=True)
    return normalised(tensor.permute(0, 3, 1, 2).float(), weights.mean, weights.std)


def normalised(
    pixels: Tensor, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> Tensor:
    """(pixel / 255 - mean) / std of each channel of (n, 3, h, w)."""
    centre = pixels.new_tensor(mean).mul(255.0)[None, :, None, None]
    width = pixels.new_tensor(std).mul(255.0)[None, :, None, None]
    return ((pixels - centre) / width).contiguous(memory_format=torch.channels_last)


def standardised(pixels: Tensor) -> Tensor:
    """`normalised` as networks are taught here, and as ImageNet's are."""
    return normalised(pixels, IMAGENET_MEAN, IMAGENET_STD)
