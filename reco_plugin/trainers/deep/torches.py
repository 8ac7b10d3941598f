"""The one place of this room that imports torch, and only when something of it is asked for.

Other modules take it from here, inside the functions that learn: `from reco_plugin.trainers.deep.torches import
torch`. Where the extra is missing that raises TrainingFailed; ask `is_installed()` first, which imports nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from reco_plugin.children import life
from reco_plugin.exceptions import TrainingFailed

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.nn import functional

    __all__ = ["functional", "nn", "torch"]

Tensor: TypeAlias = Any
"""torch has types, but they are not asked for: most environments check this code without it."""

INSTALL = "python -m pip install 'django-reco-plugin[deep]'"
_MODULES = {"torch": "torch", "nn": "torch.nn", "functional": "torch.nn.functional"}


def is_installed() -> bool:
    """Is torch there? It is not imported to find out."""
    return find_spec("torch") is not None


def what_is_missing() -> str:
    """That torch is not there, and how to come by it; empty when it is."""
    return "" if is_installed() else f"torch is not installed. Run: {INSTALL}"


def __getattr__(name: str) -> Any:
    """The modules, imported when first asked for. Raises TrainingFailed."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        with life.libraries():
            return importlib.import_module(_MODULES[name])
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise TrainingFailed(what_is_missing()) from error


@contextmanager
def session(seed: int, threads: int) -> Iterator[Any]:
    """The device to learn on, a GPU where there is one; chance by `seed`, at most `threads` threads.

    Afterwards chance and threads are what they were: whoever asked may use torch too.
    """
    torch = __getattr__("torch")
    before = torch.get_num_threads()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.set_num_threads(max(threads, 1))
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield device
    finally:
        torch.set_num_threads(before)
