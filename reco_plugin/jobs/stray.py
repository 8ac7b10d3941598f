"""Files in RECO_ARTEFACT_DIR that a process which died did not come to remove.

Only names we give are looked at, and only what is surely nobody's: a folder of a training or of an
encoder that nothing was written to for longer than a training may take, half-written files of that age,
and the artefact of a run that has ended and does not name it.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from reco_plugin import clock, conf
from reco_plugin.models import Run, RunStatus

log = logging.getLogger(__name__)

SPARE_SECONDS = 3_600.0
UNLIMITED_SECONDS = 7 * 86_400.0
"""Taken for the length of a training where RECO_TRAIN_TIMEOUT sets none."""
_WORKPLACE = re.compile(r"(train|encode)-[a-z0-9_]{8}|tune-[0-9]+")
_PART = re.compile(r"[a-z_]+-[0-9]+(\.items|\.trial)?\.npz\.[a-z0-9_]{8}\.part")
_ARTEFACT = re.compile(r"[a-z_]+-([0-9]+)(?:(?:\.items|\.trial)?\.npz|(?:\.int8)?\.onnx)")
_UNDER_WAY = (RunStatus.RUNNING, RunStatus.TRAINED)


def is_ours(path: Path) -> bool:
    """Has it a name that we give?"""
    return any(name.fullmatch(path.name) for name in (_WORKPLACE, _PART, _ARTEFACT))


def remove(*, dry_run: bool = False) -> list[str]:
    """Remove them; returns their names."""
    folder = Path(conf.settings.ARTEFACT_DIR)
    if not folder.is_dir():
        return []
    found = [*_silent(folder), *_unnamed(folder)]
    if not dry_run:
        for path in found:
            _remove(path)
    return sorted(path.name for path in found)


def _silent(folder: Path) -> Iterator[Path]:
    """What a training or a write left, when neither can still be going on."""
    longest = conf.settings.TRAIN_TIMEOUT or UNLIMITED_SECONDS
    before = (clock.now() - dt.timedelta(seconds=longest + SPARE_SECONDS)).timestamp()
    for path in folder.iterdir():
        is_ours = path.is_dir() and _WORKPLACE.fullmatch(path.name)
        if (is_ours or _PART.fullmatch(path.name)) and _touched(path) < before:
            yield path


def _touched(path: Path) -> float:
    """The newest change of a file or of anything in a folder; now, when its owner is removing it."""
    inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
    try:
        return max(float(each.lstat().st_mtime) for each in (path, *inside))
    except FileNotFoundError:
        return clock.now().timestamp()


def _unnamed(folder: Path) -> list[Path]:
    """Artefacts written just before their process died: their run ended without naming them. A young
    one may be about to be named."""
    before = clock.now().timestamp() - SPARE_SECONDS
    found = [
        (int(match[1]), path)
        for path in folder.iterdir()
        if (match := _ARTEFACT.fullmatch(path.name)) and path.is_file() and _touched(path) < before
    ]
    runs = Run.objects.using(conf.settings.DATABASE).filter(pk__in={run for run, _ in found})
    named = dict(runs.exclude(status__in=_UNDER_WAY).values_list("pk", "artefact"))
    return [path for run, path in found if run in named and not _is_named(path, named[run])]


def _is_named(path: Path, artefact: str) -> bool:
    """Is it the artefact, or a file for requests, or the trial, beside it?"""
    if path.name.endswith(".trial.npz"):
        return bool(artefact)
    if path.suffix == ".onnx":
        return bool(artefact) and path.name.startswith(f"{Path(artefact).stem}.")
    return path.name == artefact


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s could not be removed: %s", path.name, error)
