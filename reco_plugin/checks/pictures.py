"""Pictures, what looks at them, and what shoppers may search with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.core.checks import Error, Info, Tags
from django.core.checks import Warning as Caution
from django.db import DatabaseError
from django.db.models import Count

from reco_plugin import backends, conf
from reco_plugin.catalog import fetching
from reco_plugin.checks.registration import Messages, check
from reco_plugin.encoders import decoding, onnx, registry, torches
from reco_plugin.encoders.base import Fault
from reco_plugin.encoders.start import AUTO, NONE, OUT_OF_REACH, PICKLED
from reco_plugin.exceptions import MappingError
from reco_plugin.jobs.artefacts import artefact_path
from reco_plugin.models import ActiveRun, Picture, PictureState, Run

INSTALL = decoding.INSTALL
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@check()
def encoder(databases: Sequence[str]) -> Messages:
    """reco.E011"""
    if not (name := conf.settings.ENCODER):
        return
    try:
        registry.kind(name).size(conf.settings.ENCODER_CONFIG)
    except (ValueError, TypeError, ImportError) as error:
        words = f"RECO_ENCODER = {name!r} with RECO_ENCODER_CONFIG: {error}"
        hint = "Name one of " + ", ".join(registry.BUILT_IN) + ", with its own parameters; or ''."
        yield Error(words, hint=hint, id="reco.E011")
    if not _DEVICE.fullmatch(device := conf.settings.ENCODER_DEVICE):
        words = f"RECO_ENCODER_DEVICE = {device!r} is no device."
        yield Error(words, hint="'auto', 'cpu', 'cuda' or 'mps'.", id="reco.E011")


@check()
def start_weights(databases: Sequence[str]) -> Messages:
    """reco.E012, reco.W021"""
    source, sha256 = conf.settings.ENCODER_WEIGHTS, conf.settings.ENCODER_SHA256
    if sha256 and not _SHA256.fullmatch(sha256):
        words = "RECO_ENCODER_SHA256 is no SHA-256: it takes 64 hexadecimal digits."
        yield Error(words, hint="sha256sum names that of a file.", id="reco.E012")
    if not conf.settings.ENCODER or source in (AUTO, NONE):
        return
    if Path(source).suffix in PICKLED and not sha256:
        words = f"RECO_ENCODER_WEIGHTS = {source!r} is only opened where RECO_ENCODER_SHA256 vouches for it."
        hint = "Set it to what sha256sum says of the file you mean."
        yield Error(words, hint=hint, id="reco.E012")
    if not Path(source).is_file():
        yield Caution(
            f"There is no file {source!r} (RECO_ENCODER_WEIGHTS) on this machine.",
            hint="Put it where the workers are, or write 'auto'. Silence this where only workers have it.",
            id="reco.W021",
        )


@check()
def picture_settings(databases: Sequence[str]) -> Messages:
    """reco.E013"""
    for host in conf.settings.IMAGE_HOSTS:
        if problem := fetching.bad_host(str(host)):
            yield Error(
                f"RECO_IMAGE_HOSTS: {host!r} {problem}.",
                hint="Write names of hosts, such as 'pictures.example.com'.",
                id="reco.E013",
            )
    formats = [str(each) for each in conf.settings.IMAGE_FORMATS]
    unknown = decoding.unknown_formats(formats) if decoding.is_installed() else []
    if unknown or not formats:
        named = ", ".join(map(repr, unknown)) or "nothing"
        yield Error(
            f"RECO_IMAGE_FORMATS names {named}, which Pillow cannot open.",
            hint="Use Pillow's names: 'JPEG', 'PNG', 'WEBP'.",
            id="reco.E013",
        )


@check()
def images_extra(databases: Sequence[str]) -> Messages:
    """reco.I001"""
    lacking = lacking_for_pictures()
    if conf.settings.ENCODER and lacking and _shows_pictures():
        yield Info(
            f"Products have pictures, but {' and '.join(lacking)} cannot be imported: nothing looks at them.",
            hint=f"{INSTALL}, or RECO_ENCODER = ''.",
            id="reco.I001",
        )


def lacking_for_pictures() -> list[str]:
    """What of the extra is missing to open pictures and to learn from them."""
    found = {"Pillow": decoding.is_installed(), "torchvision": torches.is_installed()}
    return [name for name, is_there in found.items() if not is_there]


def _shows_pictures() -> bool:
    try:
        return backends.catalog().shows_pictures()
    except (MappingError, LookupError):
        return False  # reco.E001, reco.E003


@check()
def photo_search(databases: Sequence[str]) -> Messages:
    """reco.W022"""
    if not conf.settings.PHOTO_SEARCH:
        return
    found = {"onnxruntime": onnx.is_installed(), "Pillow": decoding.is_installed()}
    lacking = [name for name, is_there in found.items() if not is_there]
    if not conf.settings.ENCODER:
        yield _no_photos("RECO_ENCODER is empty", "RECO_ENCODER = 'resnet18'.")
    elif lacking:
        yield _no_photos(f"{' and '.join(lacking)} cannot be imported", f"{INSTALL}.")


def _no_photos(why: str, hint: str) -> Caution:
    words = f"RECO_PHOTO_SEARCH is on, but {why}: no photo is answered."
    return Caution(words, hint=hint, id="reco.W022")


# --- what the database knows ----------------------------------------------------------------------


@check(Tags.database)
def encoder_runs(databases: Sequence[str]) -> Messages:
    """reco.W021, reco.W022, only under `check --database` and `migrate`"""
    if (using := conf.settings.DATABASE) not in databases or not conf.settings.ENCODER:
        return
    try:
        yield from _without_start(using)
        if conf.settings.PHOTO_SEARCH and onnx.is_installed():
            yield from _without_onnx(using)
    except DatabaseError:
        return  # not migrated yet


def _without_start(using: str) -> Iterator[Caution]:
    if conf.settings.ENCODER_WEIGHTS != AUTO:
        return
    newest = Run.objects.using(using).filter(kind="encoder").order_by("-created_at").first()
    notes = (newest.dataset or {}).get("notes") or () if newest else ()
    for note in notes:
        if OUT_OF_REACH in str(note):
            yield Caution(
                f"The newest encoder: {note}",
                hint="Name a file of weights in RECO_ENCODER_WEIGHTS, or write 'none' to silence this.",
                id="reco.W021",
            )


def _without_onnx(using: str) -> Iterator[Caution]:
    live = ActiveRun.objects.using(using).filter(kind="encoder").select_related("run")
    runs = [row.run for row in live]
    if not runs:
        hint = "The job fine_tune makes one: python manage.py reco_tick, or a worker."
        yield _no_photos("no encoder is live yet", hint)
    for run in runs:
        if not artefact_path(run).with_suffix(".onnx").is_file():
            hint = f"Install onnx on the workers and train again ({INSTALL}), and share RECO_ARTEFACT_DIR."
            why = f"the live encoder (run {run.pk}) has no .onnx file on this machine"
            yield _no_photos(why, hint)


@check(Tags.database)
def quarantined_pictures(databases: Sequence[str]) -> Messages:
    """reco.W023, only under `check --database` and `migrate`"""
    if (using := conf.settings.DATABASE) not in databases:
        return
    rows = Picture.objects.using(using)
    try:
        reasons = rows.filter(state=PictureState.QUARANTINED).values_list("reason")
        counts = dict(reasons.annotate(count=Count("pk")).order_by("-count"))
        forbidden = rows.filter(reason=Fault.FORBIDDEN).count()
    except DatabaseError:
        return  # not migrated yet
    if counts:
        told = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
        yield Caution(
            f"Pictures in quarantine, each refused three times: {sum(counts.values()):,} ({told}).",
            hint="The admin (Pictures) says why; a file that is put right is looked at by itself.",
            id="reco.W023",
        )
    if forbidden:
        yield Caution(
            f"Pictures on hosts that nothing is fetched from: {forbidden:,}.",
            hint="Add their hosts to RECO_IMAGE_HOSTS, if they are yours; they must answer by https.",
            id="reco.W023",
        )
