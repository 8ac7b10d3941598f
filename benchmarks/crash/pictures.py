"""Pictures of the shop's products, a colour for each shelf, a shade for each product; and who cannot see them."""

from __future__ import annotations

import colorsys
import hashlib
import io
from pathlib import Path

SIDE = 24
SHADES = 40


class Pictures:
    """Files of a folder, one for each product by its key, as `benchmarks.pictured` shows them."""

    def __init__(self, folder: Path, shelves: int) -> None:
        from django.core.files.storage import FileSystemStorage

        from benchmarks import pictured

        folder.mkdir()
        pictured.use(FileSystemStorage(str(folder)))
        self._folder, self._shelves = folder, shelves
        self.digests: dict[int, str] = {}
        """SHA-256 of the file of each product."""
        self._drawn = 0

    def draw(self, key: int, shelf: int) -> None:
        """A picture like no other, in the place of the one there was."""
        self._drawn += 1
        data = _drawn(shelf / self._shelves, self._drawn)
        (self._folder / f"{key}.jpg").write_bytes(data)
        self.digests[key] = hashlib.sha256(data).hexdigest()

    def remove(self, key: int) -> None:
        (self._folder / f"{key}.jpg").unlink()
        del self.digests[key]


def _drawn(hue: float, number: int) -> bytes:
    from PIL import Image

    shade = 0.55 + 0.4 * (number % SHADES) / SHADES
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.9, shade))
    out = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (red, green, blue)).save(out, "JPEG", quality=95)
    return out.getvalue() + number.to_bytes(
        4, "big"
    )  # bytes after the end are no part of a picture


def blind() -> None:
    """The live encoder is one that sees nothing: whatever is taught is better."""
    from reco_plugin.encoders.weights import save
    from reco_plugin.jobs import artefacts
    from reco_plugin.jobs.publish import activate
    from reco_plugin.models import Run, RunStatus
    from reco_plugin.testing import colours

    learnt = colours.weights(blind=True)
    run = Run.objects.create(
        kind="encoder",
        trainer=colours.NAME,
        status=RunStatus.PUBLISHED,
        dataset={"fingerprint": learnt.fingerprint},
        config={"encoder": {}, "weights": "blind", "seed": 0},
    )
    run.artefact = f"encoder-{run.pk}.npz"
    run.sha256 = save(artefacts.folder() / run.artefact, learnt)
    run.save()
    activate(run)
