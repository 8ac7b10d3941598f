"""The networks: ResNets by torchvision's names, a projection in blocks, and heads of cosines.

He et al. 2015 (arXiv 1512.03385) for the body; a head is a normalised softmax (Zhai & Wu 2018, arXiv
1811.12649): rows of unit length are compared by cosine, as embeddings will be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.encoders.torches import Tensor, functional, models, nn, torch
from reco_plugin.encoders.weights import Arrays, Block, Weights
from reco_plugin.exceptions import EncoderUnavailable

_BASIC, _BOTTLENECK = models.resnet.BasicBlock, models.resnet.Bottleneck
_LAYERS: Mapping[str, tuple[Any, tuple[int, ...], int]] = {
    "student": (_BASIC, (1, 1, 1, 1), 32),
    "resnet10": (_BASIC, (1, 1, 1, 1), 64),
    "resnet18": (_BASIC, (2, 2, 2, 2), 64),
    "resnet34": (_BASIC, (3, 4, 6, 3), 64),
    "resnet50": (_BOTTLENECK, (3, 4, 6, 3), 64),
}
"""Kind of block, blocks per stage, channels of the first stage."""


class Body(nn.Module):  # type: ignore[misc]
    """A ResNet up to its pooled features, with torchvision's names of parameters."""

    def __init__(self, architecture: str, stem: str = "imagenet") -> None:
        super().__init__()
        block, layers, width = _LAYERS[architecture]
        wide = stem == "imagenet"
        self.conv1 = nn.Conv2d(3, width, 7 if wide else 3, 2, 3 if wide else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, 2, 1) if wide else nn.Identity()
        channels = width
        for at, blocks in enumerate(layers):
            planes, stride = width * 2**at, 1 if at == 0 else 2
            setattr(self, f"layer{at + 1}", _stage(block, channels, planes, blocks, stride))
            channels = planes * block.expansion
        self.features = channels
        self.apply(_initial)

    def forward(self, pictures: Tensor) -> Tensor:
        """(b, 3, side, side) of any side from 32 up → (b, features)"""
        found = self.pool(self.relu(self.bn1(self.conv1(pictures))))
        found = self.layer4(self.layer3(self.layer2(self.layer1(found))))
        return found.mean((2, 3))


def _stage(block: Any, channels: int, planes: int, blocks: int, stride: int) -> Any:
    wide = planes * block.expansion
    down = None
    if stride != 1 or channels != wide:
        down = nn.Sequential(nn.Conv2d(channels, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))
    rest = (block(wide, planes) for _ in range(blocks - 1))
    return nn.Sequential(block(channels, planes, stride, down), *rest)


def _initial(module: Any) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    # a residual block begins as the identity: deep networks then learn from the first step on
    if isinstance(module, _BASIC):
        nn.init.zeros_(module.bn2.weight)
    if isinstance(module, _BOTTLENECK):
        nn.init.zeros_(module.bn3.weight)


class Network(nn.Module):  # type: ignore[misc]
    """Body, projection and heads. `forward` is what is exported and served: pictures → unit rows."""

    def __init__(
        self,
        architecture: str,
        *,
        stem: str = "imagenet",
        blocks: Iterable[Block] = (),
        heads: Mapping[str, int] | None = None,
        scale: float = 16.0,
    ) -> None:
        super().__init__()
        self.architecture, self.stem, self.scale = architecture, stem, scale
        self.blocks = tuple(blocks)
        self.body = Body(architecture, stem)
        width = sum(block.size for block in self.blocks)
        self.project = nn.Linear(self.body.features, width) if self.blocks else nn.Identity()
        sizes = {block.name: block.size for block in self.blocks}
        self.names = tuple(heads or ())
        self.heads = nn.ParameterList(
            torch.randn(count, sizes[name]) / sizes[name] ** 0.5
            for name, count in (heads or {}).items()
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Prepared pictures (b, 3, size, size) → embeddings (b, dimension), each row of length 1."""
        return self.embed(self.parts(pictures))

    def parts(self, pictures: Tensor) -> list[Tensor]:
        """The blocks of the embeddings, each row of each a unit vector."""
        raw = self.project(self.body(pictures)).float()
        sizes = [block.size for block in self.blocks] or [raw.shape[1]]
        return [functional.normalize(part, dim=1) for part in raw.split(sizes, dim=1)]

    def embed(self, parts: list[Tensor]) -> Tensor:
        """One unit row from the blocks of each picture."""
        if not self.blocks:
            return parts[0]
        weighed = [part * block.share**0.5 for part, block in zip(parts, self.blocks, strict=True)]
        return torch.cat(weighed, dim=1)

    def logits(self, parts: list[Tensor]) -> dict[str, Tensor]:
        """What each head says, (b, classes), before the softmax."""
        named = {block.name: part for block, part in zip(self.blocks, parts, strict=False)}
        return {
            name: self.scale * named[name] @ functional.normalize(rows, dim=1).T
            for name, rows in zip(self.names, self.heads, strict=True)
        }


def build(weights: Weights) -> Network:
    """The network of `weights`, on the CPU, ready to look at pictures (not to train: see `Network.train`).

    Raises EncoderUnavailable when the arrays are not those of its architecture.
    """
    network = Network(
        weights.architecture,
        stem=weights.stem,
        blocks=weights.blocks,
        heads={name: len(values) for name, values in weights.classes.items()},
        scale=weights.scale,
    )
    put(network, weights.arrays, weights.architecture)
    return network.eval()  # type: ignore[no-any-return]


def untrained(architecture: str, stem: str, seed: int) -> Network:
    """A network that knows nothing, as torchvision begins it: what a trained one is to be better than.

    `Network` itself begins each residual block as the identity, which is better to learn from and much worse
    to look with: beside that anything would shine.
    """
    torch.manual_seed(seed)
    net = Network(architecture, stem=stem)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return net


def put(network: Any, arrays: Arrays, architecture: str) -> None:
    """Give a module its numbers. Raises EncoderUnavailable unless names and shapes are all its own."""
    own = network.state_dict()
    wrong = _mismatch({name: tuple(value.shape) for name, value in own.items()}, arrays)
    if wrong:
        raise EncoderUnavailable(
            f"The weights are not those of a {architecture}: {wrong}. Name the network they were made "
            "for in RECO_ENCODER, or let others be made."
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(torch.from_numpy(np.array(arrays[name])))


def _mismatch(own: Mapping[str, tuple[int, ...]], arrays: Arrays) -> str:
    for name in own:
        if name not in arrays:
            return f"{name} is missing"
        if arrays[name].shape != own[name]:
            return f"{name} is {arrays[name].shape}, not {own[name]}"
    extra = [name for name in arrays if name not in own]
    return f"{extra[0]} does not belong to it" if extra else ""


def arrays_of(module: Any) -> dict[str, npt.NDArray[Any]]:
    """Its numbers as they are now, copied to the CPU."""
    return {
        name: value.detach().cpu().numpy().copy() for name, value in module.state_dict().items()
    }
