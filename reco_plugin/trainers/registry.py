"""Names and dotted paths → trainer classes."""

from __future__ import annotations

import difflib
import importlib
from importlib.util import find_spec

from reco_plugin.exceptions import TrainingFailed
from reco_plugin.trainers.base import Trainer

BUILT_IN = {
    "lightfm": "reco_plugin.trainers.lightfm.LightFM",
    "lightgcn": "reco_plugin.trainers.deep.lightgcn.LightGCN",
}
NEEDS = {
    "lightfm": ("lightfm", "python -m pip install 'django-reco-plugin[lightfm]'"),
    "lightgcn": ("torch", "python -m pip install 'django-reco-plugin[deep]'"),
}
"""Trainer → the module it imports when it trains, and how to come by it."""


def get(name: str) -> type[Trainer]:
    """The trainer called `name`: built in ('lightfm', 'lightgcn'), or 'package.module.Class'.

    Raises ValueError, saying what is there, for a name that leads nowhere or to no trainer.
    """
    module, _, attribute = BUILT_IN.get(name, name).rpartition(".")
    if not module:
        raise ValueError(f"There is no trainer {name!r}.{_hint(name)}")
    trainer = getattr(_import(module, name), attribute, None)
    if not (isinstance(trainer, type) and callable(getattr(trainer, "fit", None))):
        raise ValueError(
            f"Trainer {name!r}: {module} has no class {attribute!r} with a fit method."
        )
    return trainer


def demand_installed(name: str) -> None:
    """Raise TrainingFailed, in one line, when what the built-in trainer `name` needs is not there."""
    module, install = NEEDS.get(name, ("", ""))
    if module and find_spec(module) is None:
        raise TrainingFailed(f"{module} is not installed. Run: {install}")


def _import(module: str, name: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there; something it needs is not
        raise ValueError(f"Trainer {name!r}: there is no module {error.name!r}.") from error


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name, BUILT_IN, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"{meant} Built in: {', '.join(sorted(BUILT_IN))}; or give 'package.module.Class'."
