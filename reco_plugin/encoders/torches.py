"""The one place that imports torch and torchvision, and only when something of them is asked for.

Other modules of this room take them from here: `from reco_plugin.encoders.torches import torch`. Where the
extra is missing that raises EncoderUnavailable; ask `is_installed()` first, which imports nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import platform
from typing import TYPE_CHECKING, Any, TypeAlias

from reco_plugin.exceptions import EncoderUnavailable

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.nn import functional
    from torchvision import models

    __all__ = ["functional", "models", "nn", "torch"]

Tensor: TypeAlias = Any
"""torch has types, but they are not asked for: most environments check this code without it."""

DEVICES = ("auto", "cpu", "cuda", "mps")
_MODULES = {
    "torch": "torch",
    "nn": "torch.nn",
    "functional": "torch.nn.functional",
    "models": "torchvision.models",
}


def is_installed() -> bool:
    """Whether torch and torchvision are there; neither is imported to find out."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "torchvision"))


def __getattr__(name: str) -> Any:
    """The modules, imported when first asked for. Raises EncoderUnavailable."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return importlib.import_module(_MODULES[name])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("torch", "torchvision"):
            raise
        raise EncoderUnavailable(
            f"{error.name} is not installed. Run: pip install django-reco-plugin[images]"
        ) from error


def device_of(name: str) -> Any:
    """The torch device of a name of DEVICES; 'auto' is a GPU where there is one.

    Raises EncoderUnavailable for a device this machine does not have, ValueError for another name.
    """
    torch = __getattr__("torch")
    if name not in DEVICES:
        raise ValueError(f"The device must be one of {', '.join(DEVICES)}, not {name!r}.")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": _has_mps(torch)}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[name]:
        raise EncoderUnavailable(
            f"This machine has no {name} device. Set RECO_ENCODER_DEVICE = 'auto'."
        )
    return torch.device(name)


def threads(count: int) -> None:
    """Let torch use so many threads in this process; 0 leaves it alone."""
    if count > 0:
        __getattr__("torch").set_num_threads(count)


def mixed(device: Any, precision: str) -> contextlib.AbstractContextManager[Any]:
    """A context in which the network multiplies in 'bfloat16' or 'float32'; 'auto' takes what is faster.

    bfloat16 keeps the range of float32, so that no scaling of losses is needed.
    """
    torch = __getattr__("torch")
    if precision == "auto":
        precision = "bfloat16" if _halves_pay(torch, device) else "float32"
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)  # type: ignore[no-any-return]


def _halves_pay(torch: Any, device: Any) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and _multiplies_halves(torch)


def _multiplies_halves(torch: Any) -> bool:
    """Processors that lack the instruction emulate it, many times slower."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    asked = getattr(getattr(torch, "cpu", None), "_is_avx512_bf16_supported", None)
    return bool(asked and asked())


def _has_mps(torch: Any) -> bool:
    backend = getattr(torch.backends, "mps", None)
    return bool(backend and backend.is_available())
