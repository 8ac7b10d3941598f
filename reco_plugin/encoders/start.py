"""What a network starts from: torchvision's weights, a file of the shop's own, or nothing.

Weights learnt on ImageNet know edges, textures and shapes before the first picture of the shop is seen.
Where none can be had the catalogue itself is the teacher, and that is said.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reco_plugin.encoders.weights import Weights, load
from reco_plugin.exceptions import EncoderUnavailable

AUTO, NONE = "auto", "none"
OUT_OF_REACH = "cannot be had"
"""What the note of a training says of weights that could not be fetched; a check looks for it."""
PICKLED = (".pt", ".pth")
SIZE = 224
"""Pixels of each side that ImageNet's networks were taught with."""


def start(
    architecture: str, source: str = AUTO, *, sha256: str = "", size: int = SIZE
) -> tuple[Weights | None, str]:
    """The weights to start from, and in plain words where they come from or why there are none.

    `source` is 'auto' (torchvision's own; none when they cannot be fetched), 'none', or the path of a file:
    one of ours (.npz), or a state dict as torchvision publishes it (.pt, .pth), which is only opened when
    it has `sha256`. Raises EncoderUnavailable for a file that was named and cannot be used.
    """
    if source == NONE:
        return None, "It starts from nothing, as RECO_ENCODER_WEIGHTS says."
    if source == AUTO:
        return _published(architecture, size)
    path = Path(source)
    if not path.is_file():
        raise EncoderUnavailable(
            f"There is no file {path}. Set RECO_ENCODER_WEIGHTS to one, or 'auto'."
        )
    weights = (
        _pickled(path, architecture, sha256, size)
        if path.suffix in PICKLED
        else load(path, sha256 or None)
    )
    if weights.architecture != architecture:
        raise EncoderUnavailable(
            f"{path} holds a {weights.architecture}, not a {architecture}. Set RECO_ENCODER to match."
        )
    return weights, f"It starts from {path.name}."


def _published(architecture: str, size: int) -> tuple[Weights | None, str]:
    """torchvision's own, from its cache or its server."""
    from reco_plugin.encoders.torches import models

    try:
        best = models.get_model_weights(architecture).DEFAULT
    except ValueError:
        return (
            None,
            f"torchvision publishes no weights of a {architecture}: it starts from nothing.",
        )
    try:
        state = best.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong hash a RuntimeError
        return None, (
            f"torchvision's weights of a {architecture} {OUT_OF_REACH} ({_line(error)}): it starts from "
            "nothing and learns from the catalogue alone. Give a file in RECO_ENCODER_WEIGHTS for more."
        )
    return (
        of_state(architecture, state, size=size),
        f"It starts from torchvision's {architecture} ({best.name}).",
    )


def _pickled(path: Path, architecture: str, sha256: str, size: int) -> Weights:
    """A state dict. Reading one could run code, so it must be the very file that somebody vouches for."""
    from reco_plugin.encoders.torches import torch

    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not sha256:
        raise EncoderUnavailable(
            f"{path} is only opened when RECO_ENCODER_SHA256 names its SHA-256; it has {found}."
        )
    if found != sha256.lower():
        raise EncoderUnavailable(
            f"{path} does not have the SHA-256 of RECO_ENCODER_SHA256 (it has {found[:12]}…)."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no class of its own for a broken file
        raise EncoderUnavailable(f"{path} is no usable file of weights: {_line(error)}") from error
    if not isinstance(state, Mapping):
        raise EncoderUnavailable(f"{path} holds no state dict but a {type(state).__name__}.")
    return of_state(architecture, state, size=size)


def of_state(architecture: str, state: Mapping[str, Any], *, size: int = SIZE) -> Weights:
    """A body's state dict by torchvision's names as weights without a projection.

    Its classifier (`fc`) is left out. Raises EncoderUnavailable when it is that of another network.
    """
    from reco_plugin.encoders import network

    arrays = {
        f"body.{_unwrapped(name)}": value.detach().cpu().numpy()
        for name, value in state.items()
        if not _unwrapped(name).startswith("fc.")
    }
    weights = Weights(architecture=architecture, size=size, arrays=arrays)
    return replace(weights, arrays=network.arrays_of(network.build(weights)))


def _unwrapped(name: str) -> str:
    return re.sub(r"^(module\.|model\.|backbone\.)+", "", name)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
