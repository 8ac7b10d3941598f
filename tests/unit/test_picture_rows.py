"""Accepted, refused, in quarantine: what holds whatever happens to a picture."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.files.storage import FileSystemStorage, InMemoryStorage
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.catalog.pictures import Source
from reco_plugin.encoders.base import Fault, Refused
from reco_plugin.jobs.picture_rows import (
    AGAIN_FAR,
    AGAIN_UNMARKED,
    FORGIVEN,
    STRIKES,
    UNSEEN,
    accept,
    is_due,
    is_settled,
    refuse,
)
from reco_plugin.models import Picture, PictureState

HAPPENINGS = st.lists(
    st.tuples(st.sampled_from([None, *Fault]), st.sampled_from(["1:1", "2:2"])), max_size=12
)
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def happen(row: Picture, fault: Fault | None, marker: str) -> None:
    if fault is None:
        accept(row, marker, f"hash of {marker}")
    else:
        refuse(row, Refused(fault=fault, words=f"It is {fault}."), marker)


@given(HAPPENINGS)
def test_strikes_and_state_agree(happenings: list[tuple[Fault | None, str]]) -> None:
    row = Picture(name="a.jpg")
    for fault, marker in happenings:
        happen(row, fault, marker)
        assert 0 <= row.strikes <= STRIKES
        if row.state == PictureState.QUARANTINED:
            assert row.strikes == STRIKES
        if row.state == PictureState.READABLE:
            assert row.content_hash
            assert row.strikes == 0
        assert (row.reason == "") == (fault is None) == (row.words == "")


@given(HAPPENINGS, st.sampled_from(sorted(FORGIVEN)))
def test_what_is_no_fault_of_the_file_costs_it_nothing(
    happenings: list[tuple[Fault | None, str]], fault: Fault
) -> None:
    row = Picture(name="a.jpg")
    for each in happenings:
        happen(row, *each)
    before = (row.content_hash, row.marker, row.strikes)
    refuse(row, Refused(fault=fault, words="Not now."))
    assert (row.content_hash, row.marker, row.strikes) == before
    assert row.reason == fault


@given(HAPPENINGS)
def test_a_good_look_forgives_everything(happenings: list[tuple[Fault | None, str]]) -> None:
    row = Picture(name="a.jpg")
    for each in happenings:
        happen(row, *each)
    accept(row, "3:3", "hash")
    assert (row.state, row.strikes, row.reason) == (PictureState.READABLE, 0, "")


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in FORGIVEN])
def test_three_times_the_same_is_quarantine(fault: Fault) -> None:
    row = Picture(name="a.jpg", content_hash="known", state=PictureState.READABLE, marker="1:1")
    for _ in range(STRIKES):
        assert row.state != PictureState.QUARANTINED
        refuse(row, Refused(fault=fault, words="Bad."), "" if fault in UNSEEN else "2:2")
    assert row.state == PictureState.QUARANTINED
    assert row.content_hash == ("known" if fault == Fault.MISSING else "")
    assert is_settled(row) == (fault != Fault.MISSING)  # a missing file may be back any time


def test_a_disk_is_always_asked_others_now_and_then() -> None:
    near = Source(name="a", storage=FileSystemStorage())
    far = Source(name="a", storage=InMemoryStorage())
    row = Picture(name="a", state=PictureState.READABLE, marker="1:1", looked_at=NOW)
    soon, moment = NOW + AGAIN_FAR / 2, dt.timedelta(seconds=1)
    assert is_due(row, near, soon)
    assert not is_due(row, far, soon)
    assert is_due(row, far, NOW + AGAIN_FAR + moment)
    row.marker = "#made of the bytes"
    assert not is_due(row, far, NOW + AGAIN_FAR + moment)
    assert is_due(row, far, NOW + AGAIN_UNMARKED + moment)
    row.state = PictureState.REFUSED
    assert is_due(row, far, soon)
    row.looked_at = None
    assert is_due(row, far, soon)
