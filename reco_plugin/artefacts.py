"""Arrays on disk: .npz without pickle, with a format version, checked against a sha256.

A file is written beside its place and moved there whole, so a reader sees all of it or none.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reco_plugin.exceptions import ArtefactCorrupt

FORMAT_VERSION = 1
META = "meta.json"

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


def save(path: str | Path, arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]) -> str:
    """Write `arrays` and JSON-able `meta` to `path`, whole or not at all; returns the sha256.

    Raises ValueError for an array that could only be pickled (dtype object) and for the name 'meta.json'.
    """
    _check_arrays(arrays)
    text = json.dumps({"format_version": FORMAT_VERSION, "meta": dict(meta)})
    packed = {**arrays, META: np.frombuffer(text.encode(), dtype=np.uint8)}
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            digest = _write(file, packed)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return digest


def load(path: str | Path, sha256: str | None = None) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the meta of `path`.

    Raises ArtefactCorrupt when the file is missing, cut short, of another format version, or does not
    match `sha256` (which is not checked when it is None).
    """
    try:
        with Path(path).open("rb") as file:
            _verify(file, path, sha256)
            return _read(file, path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ArtefactCorrupt(
            f"{path} cannot be read ({error}). Train again to write a new one."
        ) from error


def _check_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    for name, array in arrays.items():
        if name == META:
            raise ValueError(f"An array may not be named {META!r}.")
        if array.dtype.hasobject:
            raise ValueError(f"Array {name!r} holds Python objects; artefacts hold plain numbers.")


def _write(file: IO[bytes], packed: Mapping[str, npt.NDArray[Any]]) -> str:
    # np.savez would take an array named 'file' for its own argument, and offers no way to forbid it
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in packed.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
    file.flush()
    os.fsync(file.fileno())
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _verify(file: IO[bytes], path: str | Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    if found != sha256:
        raise ArtefactCorrupt(
            f"{path} does not match its checksum (expected {sha256[:12]}…, found {found[:12]}…). "
            "It was changed or cut short; train again to write a new one."
        )
    file.seek(0)


def _read(file: IO[bytes], path: str | Path) -> tuple[Arrays, dict[str, Any]]:
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop(META).tobytes())
    version = header["format_version"]
    if version != FORMAT_VERSION:
        raise ArtefactCorrupt(
            f"{path} has format version {version}; this version reads {FORMAT_VERSION}. Train again."
        )
    return arrays, header["meta"]
