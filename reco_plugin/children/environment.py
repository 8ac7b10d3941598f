"""What a child is given of the world: the modules its parent finds, its threads, and no secrets."""

from __future__ import annotations

import os
import sys

from reco_plugin.children.life import THREAD_VARIABLES

HANDED_ON = (
    "PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV",
    "PYTHONHOME", "PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER",
    "PYTHONHASHSEED", "COVERAGE_PROCESS_START", "CUDA_VISIBLE_DEVICES", "TORCH_HOME",
)  # fmt: skip
HANDED_ON_PREFIXES = ("LC_", "OMP_", "KMP_", "GOMP_", "OPENBLAS_", "MKL_", "LD_", "DYLD_")


def python() -> str:
    """The interpreter; '' where this one does not know itself, as inside an embedding web server."""
    return sys.executable or ""


def environment(threads: int) -> dict[str, str]:
    """The child finds the modules this process finds, and uses as many threads as it was given.

    It gets none of the shop's secrets: of the environment only what a Python and its number crunchers
    need is handed on.
    """
    handed_on = {
        name: value
        for name, value in os.environ.items()
        if name in HANDED_ON or name.startswith(HANDED_ON_PREFIXES)
    }
    paths = [path or os.getcwd() for path in sys.path]
    threading = dict.fromkeys(THREAD_VARIABLES, str(threads))
    return {**handed_on, **threading, "PYTHONPATH": os.pathsep.join(paths)}
