"""What RECO_ENCODER names: a built-in network, or the dotted path of a shop's own kind."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from reco_plugin.encoders import onnx, recipe, student, torches
from reco_plugin.encoders.base import Encoder, Pixels
from reco_plugin.encoders.packing import Lesson
from reco_plugin.encoders.weights import Weights, load
from reco_plugin.exceptions import EncoderUnavailable

if TYPE_CHECKING:
    from reco_plugin.encoders.training import Trained

BUILT_IN = ("resnet18", "resnet34", "resnet50")
ROOM = 1.25
"""Pictures are packed so much larger than the network looks at them, for crops."""
STEP = 256
DISTIL = "distil"
"""In the config: hyper-parameters of a smaller network that is taught by the larger one, and takes its place."""
INSTALL = "Run: pip install 'django-reco-plugin[images]'"


class Told(Protocol):
    """Hears how far a training is; may be called often."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


class Learnt(Protocol):
    """What a training hands back, see `training.Trained`."""

    @property
    def weights(self) -> Weights: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def held(self) -> npt.NDArray[np.bool_]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a training goes about it, beside its hyper-parameters."""

    seed: int = 0
    threads: int = 1
    device: str = "auto"
    checkpoint: Path | None = None
    """Where it notes how far it is, and goes on from."""


@runtime_checkable
class Kind(Protocol):
    """A kind of encoder: how it is taught and how it is opened. A class of a shop's own is called without
    arguments; everything here runs in a process without Django but `why_not` and `size`."""

    def why_not(self) -> str:
        """Why it cannot be taught here, in words that tell what to do; '' when it can."""
        ...

    def size(self, config: Mapping[str, Any]) -> int:
        """Pixels of each side of the pictures it is taught with. Raises ValueError for a wrong config."""
        ...

    def start(
        self, config: Mapping[str, Any], source: str, sha256: str
    ) -> tuple[Weights | None, str]:
        """What it starts from, see `start.start`. Raises EncoderUnavailable."""
        ...

    def fine_tune(
        self, lesson: Lesson, config: Mapping[str, Any], start: Weights | None, way: Way, told: Told
    ) -> Learnt:
        """See `training.fine_tune`."""
        ...

    def open(self, path: Path, sha256: str, *, device: str, threads: int) -> Encoder:
        """Ready to look at pictures, from a file of weights. Raises EncoderUnavailable."""
        ...

    def resized(self, pictures: Pixels, size: int) -> Pixels:
        """Pictures it is taught with, (n, S, S, 3), as an encoder takes them, (n, size, size, 3)."""
        ...

    def export(
        self, weights: Weights, path: Path, sample: Lesson, threads: int
    ) -> Mapping[str, Any]:
        """Write `path` ('….onnx') for requests, which have no torch, and tell of it for Run.config: see
        `choosing.Choice`. `sample` has pictures of the encoder's size to measure on. Empty where nothing can be
        written."""
        ...


def kind(name: str) -> Kind:
    """The kind called `name`. Raises ValueError, saying what is there, for one that leads nowhere."""
    if name in BUILT_IN:
        return ResNet(architecture=name)
    module, _, attribute = name.rpartition(".")
    if not module:
        near = difflib.get_close_matches(name, BUILT_IN, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"There is no encoder {name!r}.{meant} Built in: {', '.join(BUILT_IN)}; or give "
            "'package.module.Class'."
        )
    found = getattr(_imported(module, name), attribute, None)
    try:
        made = found() if isinstance(found, type) else found
    except TypeError as error:
        raise ValueError(f"Encoder {name!r} cannot be made without arguments: {error}") from error
    if not isinstance(made, Kind):
        raise ValueError(f"Encoder {name!r} is no reco_plugin.encoders.registry.Kind.")
    return made


def _imported(module: str, name: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there; something it needs is not
        raise ValueError(f"Encoder {name!r}: there is no module {error.name!r}.") from error


@dataclass(frozen=True, kw_only=True)
class ResNet:
    """The built-in networks: taught with torch; opened with torch, or with ONNX where that is all there is."""

    architecture: str

    def why_not(self) -> str:
        return (
            "" if torches.is_installed() else f"torch and torchvision are not installed. {INSTALL}"
        )

    def size(self, config: Mapping[str, Any]) -> int:
        self._student(config)
        return round(self._recipe(config).size * ROOM)

    def start(
        self, config: Mapping[str, Any], source: str, sha256: str
    ) -> tuple[Weights | None, str]:
        from reco_plugin.encoders import network  # noqa: F401 - what torch takes is not counted as memory
        from reco_plugin.encoders.start import start

        return start(self._recipe(config).architecture, source, sha256=sha256)

    def fine_tune(
        self, lesson: Lesson, config: Mapping[str, Any], start: Weights | None, way: Way, told: Told
    ) -> Learnt:
        from reco_plugin.encoders import training

        wanted = self._student(config)
        if start is not None and start.architecture != self._recipe(config).architecture:
            start = None  # what is live is a student: its teacher learns anew
        found = training.fine_tune(
            lesson.pictures,
            lesson.labels,
            lesson.products,
            lesson.pairs,
            self._config(config),
            start,
            seed=way.seed,
            threads=way.threads,
            device=way.device,
            classes=lesson.classes,
            progress=told,
            checkpoint=way.checkpoint,
        )
        return found if wanted is None else _distilled(found, lesson, config[DISTIL], way, told)

    def open(self, path: Path, sha256: str, *, device: str, threads: int) -> Encoder:
        if torches.is_installed():
            from reco_plugin.encoders.resnet import ResNetEncoder

            return ResNetEncoder(load(path, sha256 or None), device=device, threads=threads)
        exported = path.with_suffix(".onnx")
        if onnx.is_installed() and exported.is_file():
            return onnx.OnnxEncoder(exported, threads=threads)
        raise EncoderUnavailable(self.why_not())

    def resized(self, pictures: Pixels, size: int) -> Pixels:
        from reco_plugin.encoders.augment import resized
        from reco_plugin.encoders.torches import torch

        made = np.empty((len(pictures), size, size, 3), np.uint8)
        for at in range(0, len(pictures), STEP):
            some = torch.from_numpy(np.ascontiguousarray(pictures[at : at + STEP]))
            pixels = resized(some.permute(0, 3, 1, 2).float(), size).round().clamp(0, 255)
            made[at : at + STEP] = pixels.byte().permute(0, 2, 3, 1).numpy()
        return made

    def export(
        self, weights: Weights, path: Path, sample: Lesson, threads: int
    ) -> Mapping[str, Any]:
        if not (onnx.can_export() and onnx.is_installed()):
            return {}
        from reco_plugin.encoders.choosing import choose

        found = choose(
            weights, path, sample.pictures, sample.labels, products=sample.products, threads=threads
        )
        return found.as_json()

    def _recipe(self, config: Mapping[str, Any]) -> recipe.Recipe:
        return recipe.read(self._config(config))

    def _config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        own = {name: value for name, value in config.items() if name != DISTIL}
        return {"architecture": self.architecture, **own}

    def _student(self, config: Mapping[str, Any]) -> student.Student | None:
        """Raises ValueError for what it does not know."""
        if not config.get(DISTIL):
            return None
        if not isinstance(config[DISTIL], Mapping):
            raise ValueError(f"{DISTIL} must be a dict, like {{'architecture': 'student'}}.")
        return student.read(config[DISTIL])


def _distilled(
    found: Trained, lesson: Lesson, config: Mapping[str, Any], way: Way, told: Told
) -> Trained:
    """The student in its teacher's place; it is judged as any other."""
    from reco_plugin.encoders.distilling import distil

    weights = distil(
        found.weights,
        lesson.pictures,
        config,
        rows=np.flatnonzero(~found.held),
        seed=way.seed,
        threads=way.threads,
        device=way.device,
        progress=told,
    )
    return replace(found, weights=weights, notes=(*found.notes, *weights.notes))
