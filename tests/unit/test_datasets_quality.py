from __future__ import annotations

import json

import numpy as np

from reco_plugin.datasets import EventLog, EventWeights, build_reported
from reco_plugin.datasets.log import DAY
from reco_plugin.datasets.weights import DEFAULTS
from reco_plugin.types import EventKind, IdMap


def log(shopper, item, day, *, items=3, **more):
    return EventLog(
        shopper=np.asarray(shopper, np.int32),
        item=np.asarray(item, np.int32),
        kind=np.ones(len(shopper), np.uint8),
        at=(20_000 + np.asarray(day, np.int64)) * DAY,
        quantity=np.ones(len(shopper), np.int32),
        rating=np.full(len(shopper), np.nan, np.float32),
        shoppers=IdMap(keys=np.arange(max(shopper, default=-1) + 1)),
        items=IdMap(keys=np.arange(items)),
        **more,
    )


def words(found):
    return " ".join(found.report.lines())


def test_an_empty_history_is_said_plainly():
    found = build_reported(log([], [], [], items=0))
    assert "No events." in words(found)
    assert "reco_sync_items" in words(found)
    assert found.report.shoppers == 0


def test_what_was_dropped_and_why():
    dropped = {"orphan": 7, "future": 2, "ancient": 0, "duplicate": 1}
    found = build_reported(log([0, 1], [0, 1], [0, 0], read=12, dropped=dropped))
    assert "2 of 12 events" in words(found)
    assert "Dropped 7 events of a product that is not in the catalogue" in words(found)
    assert "Dropped 2 events dated in the future" in words(found)
    assert "1995" not in words(found)


def test_gaps():
    found = build_reported(log([0, 1, 0], [0, 1, 2], [0, 30, 40]))
    assert found.report.empty_days == 38
    assert found.report.longest_gap == 29
    assert "29 of them in a row" in words(found)
    assert (found.report.first, found.report.last) == ("2024-10-04", "2024-11-13")


def test_dominance():
    found = build_reported(log([0] * 900 + list(range(1, 101)), [0] * 1000, [0] * 1000))
    assert found.report.top_shopper_share == 0.9
    assert "One shopper made 90% of the events" in words(found)
    assert "The daily cap took away" in words(found)
    assert found.dataset.interactions.max() == 5.0


def test_too_little_data_is_counted(settings):
    settings.RECO_MIN_INTERACTIONS = 10
    settings.RECO_MIN_SHOPPERS = 2
    found = build_reported(log([0, 0, 1], [0, 1, 0], [0, 0, 0]))
    assert found.report.too_little == (
        "3 usable events; a personal run needs 10 (RECO_MIN_INTERACTIONS).",
        "1 shoppers with two or more events; a personal run needs 2 (RECO_MIN_SHOPPERS).",
    )


def test_the_report_is_json():
    found = build_reported(log([0, 1], [0, 1], [0, 0])).report
    again = json.loads(json.dumps(found.as_dict()))
    assert again["kinds"] == {"view_item": 2}
    assert again["lines"] == found.lines()


def test_a_weight_above_the_cap_is_pointed_out():
    weights = EventWeights(weights={**DEFAULTS, EventKind.PURCHASE: 8.0})
    found = build_reported(log([0, 1], [0, 1], [0, 0]), weights=weights)
    assert "The daily cap cuts even a single purchase: raise RECO_DAILY_CAP" in words(found)
    assert "RECO_DAILY_CAP" not in words(build_reported(log([0, 1], [0, 1], [0, 0])))
