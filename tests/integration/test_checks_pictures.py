"""What the database knows of pictures and encoders that somebody should know of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from testapp.models import Product

from reco_plugin import checks
from reco_plugin.encoders import onnx
from reco_plugin.models import ActiveRun, Picture, Run, RunStatus

pytestmark = pytest.mark.django_db


def told(check: Any) -> list[str]:
    return [f"{message.id} {message.msg}" for message in check(databases=["default"])]


def encoder_run(**changes: Any) -> Run:
    values = {"site": 1, "kind": "encoder", "status": RunStatus.PUBLISHED, **changes}
    return Run.objects.create(**values)


def test_w021_an_encoder_that_started_from_nothing(settings):
    assert told(checks.encoder_runs) == []
    note = "torchvision's weights of a resnet18 cannot be had (offline): it starts from nothing."
    encoder_run(dataset={"notes": [note]})
    assert told(checks.encoder_runs) == [f"reco.W021 The newest encoder: {note}"]
    settings.RECO_ENCODER_WEIGHTS = "none"
    assert told(checks.encoder_runs) == []


def test_w022_no_encoder_that_could_answer_a_photo(
    settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(onnx, "is_installed", lambda: True)
    settings.RECO_PHOTO_SEARCH, settings.RECO_ARTEFACT_DIR = True, tmp_path
    (words,) = told(checks.encoder_runs)
    assert "no encoder is live yet" in words
    run = encoder_run(artefact="encoder-1.npz")
    ActiveRun.objects.create(site=1, kind="encoder", run=run)
    (words,) = told(checks.encoder_runs)
    assert f"run {run.pk}) has no .onnx file" in words
    (tmp_path / "encoder-1.onnx").write_bytes(b"")
    assert told(checks.encoder_runs) == []


def test_w023_pictures_in_quarantine_and_out_of_reach():
    assert told(checks.quarantined_pictures) == []
    product = Product.objects.create(label="Lamp")
    for number, (state, reason) in enumerate(
        [("quarantined", "bomb"), ("quarantined", "format"), ("quarantined", "format"),
         ("readable", ""), ("refused", "truncated"), ("refused", "forbidden")]
    ):  # fmt: skip
        Picture.objects.create(product=product, name=f"{number}", state=state, reason=reason)
    first, second = told(checks.quarantined_pictures)
    assert "refused three times: 3 (" in first
    assert "2 format, 1 bomb" in first
    assert "nothing is fetched from: 1." in second
