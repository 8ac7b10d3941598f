"""A child: `python -m reco_plugin.children FOLDER`.

Reads job.json from FOLDER and calls what it names: `do`, the dotted path of a callable(folder, job, voice).
What that returns is told as the result; all else anyone prints goes to stderr. The process ends at once on
SIGTERM, and when its stdin closes, which is how it learns that its parent has died.

Only the standard library is imported at the top: threads of the number crunchers and signals are settled
before those are loaded.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from reco_plugin.children import life
from reco_plugin.children.process import JOB
from reco_plugin.children.voice import Unheard, Voice


def main(arguments: list[str] | None = None) -> int:
    """Run the job of a folder; returns the exit code."""
    folder = Path((arguments if arguments is not None else sys.argv[1:])[0])
    job = json.loads((folder / JOB).read_text())
    life.watch_signals(folder)
    if not job.get("is_spoken_to"):
        life.watch_parent(folder)
    for variable in life.THREAD_VARIABLES:
        os.environ[variable] = str(job["threads"])
    voice = Voice()
    try:
        voice.say(result=_callable(job["do"])(folder, job, voice))
    except Unheard:
        life.orphaned(folder)
    except MemoryError:
        traceback.print_exc()
        return life.OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
        return _tell(voice, error)
    return 0


def _callable(path: str) -> Callable[[Path, dict[str, Any], Voice], Any]:
    module, _, name = path.rpartition(".")
    found: Callable[[Path, dict[str, Any], Voice], Any] = getattr(import_module(module), name)
    return found


def _tell(voice: Voice, error: Exception) -> int:
    """Errors meant for people go to the parent by name; of others the traceback goes to stderr."""
    from reco_plugin.exceptions import RecoError

    traceback.print_exception(error)
    if not isinstance(error, RecoError | ValueError):
        return 1
    voice.say(error=type(error).__name__, message=str(error))
    return life.REFUSED


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a watcher holds stdin; tearing the interpreter down under it gains nothing
