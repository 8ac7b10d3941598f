"""This machine: the folder of artefacts, its disk, the cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings as django_settings

from reco_plugin import conf
from reco_plugin.doctor.finding import Finding, error, note, ok, warning

LITTLE = 1 << 30
"""Bytes of free disk below which a training may not find room."""
OF_ONE_PROCESS = ("locmem.LocMemCache", "dummy.DummyCache")


def folder(site: int) -> Iterator[Finding]:
    path = Path(conf.settings.ARTEFACT_DIR)
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        yield error(
            "host.folder",
            f"RECO_ARTEFACT_DIR {path} cannot be written by this user.",
            f"chown it, or name another folder. (Asked of {there}.)",
        )
    elif not path.is_absolute():
        yield note(
            "host.folder",
            f"RECO_ARTEFACT_DIR {str(path)!r} is relative: here it means {path.absolute()}.",
            'Write RECO_ARTEFACT_DIR = BASE_DIR / ".reco", so that every process means the same.',
        )
    else:
        yield ok("host.folder", f"RECO_ARTEFACT_DIR {path} can be written.")
    yield _disk(there)


def _disk(there: Path) -> Finding:
    free = shutil.disk_usage(there).free
    words = f"{free / (1 << 30):.1f} GiB of disk are free at {there}."
    if free < LITTLE:
        return warning("host.disk", words, "Make room: a training writes what it read and learnt.")
    return ok("host.disk", words)


def cache(site: int) -> Iterator[Finding]:
    backend = str(django_settings.CACHES.get("default", {}).get("BACKEND", ""))
    if backend.endswith(OF_ONE_PROCESS):
        yield note(
            "host.cache",
            f"The default cache ({backend.rpartition('.')[2]}) is local to one process.",
            "With several web processes use Redis, Memcached or the database cache.",
        )
    else:
        yield ok("host.cache", f"The default cache is {backend.rpartition('.')[2]}.")
