"""Can the shop's pictures be had and opened here, and how many cannot?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

from django.db.models import Count

from reco_plugin import backends, conf
from reco_plugin.catalog.pictures import Source, sources
from reco_plugin.doctor.finding import Finding, error, note, ok, warning
from reco_plugin.encoders import decoding
from reco_plugin.encoders.base import Refused
from reco_plugin.encoders.pool import DecoderPool
from reco_plugin.exceptions import EncoderUnavailable
from reco_plugin.jobs.asking import Look
from reco_plugin.jobs.picture_files import asking, limits, with_pictures
from reco_plugin.jobs.picture_rows import pictures
from reco_plugin.models import PictureState

SAMPLE = 8
"""Pictures, of as many products, that are read to try."""
SIDE = 64
MANY = 0.05
"""Share of refused pictures above which somebody should look."""
DOCS = "howto/recommend-by-pictures"


def known(site: int) -> Iterator[Finding]:
    """What the last look at them said."""
    if not (conf.settings.ENCODER and backends.catalog().shows_pictures()):
        return
    states = pictures().filter(site=site).values_list("state")
    counts = dict(states.annotate(count=Count("pk")))
    if not counts:
        words = "The catalogue names pictures, but none was looked at."
        yield note(
            "pictures.known", words, "python manage.py reco_tick, or a worker, looks at them."
        )
        return
    total, good = sum(counts.values()), counts.get(PictureState.READABLE, 0)
    bad = counts.get(PictureState.REFUSED, 0) + counts.get(PictureState.QUARANTINED, 0)
    words = f"{good:,} of {total:,} pictures can be opened."
    if bad > MANY * total:
        words += f" Refused: {bad:,} ({_worst(site)})."
        hint = "The admin says of each what is wrong with it (Pictures, by reason)."
        yield warning("pictures.known", words, hint, DOCS)
    else:
        yield ok("pictures.known", words)


def _worst(site: int) -> str:
    rows = pictures().filter(site=site).exclude(reason="").values_list("reason")
    found = rows.annotate(count=Count("pk")).order_by("-count", "reason")[:3]
    return ", ".join(f"{count:,} {reason}" for reason, count in found)


def are_read(site: int) -> Iterator[Finding]:
    """A few, from their storage to pixels, as the job does it: right now, on this machine."""
    if not (conf.settings.ENCODER and decoding.is_installed()):
        return
    looks = [Look(key=source.name, source=source) for source in _sample(site)]
    if not looks:
        return
    start = time.monotonic()
    try:
        refused = list(_refused(looks))
    except EncoderUnavailable as problem:
        yield error(
            "pictures.are_read", str(problem), "No picture is looked at until that is mended."
        )
        return
    took = time.monotonic() - start
    words = f"{len(looks) - len(refused)} of {len(looks)} pictures were read and opened in {took:.1f} s."
    if not refused:
        yield ok("pictures.are_read", words)
        return
    name, why = refused[0]
    yield warning("pictures.are_read", f"{words} {name}: {why.words}", _hint(why), DOCS)


def _sample(site: int) -> Iterator[Source]:
    """The first picture of each of some products."""
    catalog = backends.catalog()
    products = with_pictures(catalog, catalog.products_of(site))[: SAMPLE * 4]
    shown = (sources(catalog.get_pictures(product))[:1] for product in products)
    yield from islice((source for found in shown for source in found), SAMPLE)


def _refused(looks: list[Look]) -> Iterator[tuple[str, Refused]]:
    with asking() as askers, DecoderPool(1, limits(), SIDE) as pool:
        read = ((look.key, seen.refused or seen.data or b"") for look, seen in askers.all(looks))
        for name, found in pool.map(read):
            if isinstance(found, Refused):
                yield name, found


def _hint(why: Refused) -> str:
    of_setting = {
        "forbidden": "Add the host to RECO_IMAGE_HOSTS, if it is yours.",
        "storage": "Does this machine reach the storage, with the settings of the shop?",
        "missing": "Is the storage of the shop's pictures mounted on this machine?",
    }
    return of_setting.get(
        why.fault, "Put the file right, or see RECO_IMAGE_FORMATS and its limits."
    )
