"""Logs as they come: separators, encodings, ways to write a time, names like numbers, what is not said."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks" / "accuracy").is_dir(), reason="the benchmarks are not shipped"
)
HEAD = "user,item,time"
ROWS = ("u1,a,1700000000", "u1,b,1700000001", "u2,b,1700000002")
MOMENT = 1_704_182_400_000_000
"""2024-01-02T08:00:00Z"""


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    pytest.importorskip("pyarrow")


@pytest.fixture
def put(tmp_path):
    def write(text, name="log.csv", encoding="utf-8", pack=bytes):
        file = tmp_path / name
        file.write_bytes(pack(text.encode(encoding)))
        return file

    return write


def read(*files, **told):
    from benchmarks.accuracy.reading import read

    return read(list(files), **told)


def rows(*told, head=HEAD):
    return "\n".join([head, *told]) + "\n"


def refused(match):
    from benchmarks.accuracy.reading import CannotRead

    return pytest.raises(CannotRead, match=match)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("name", ["log.csv", "log.tsv", "log.txt", "log"])
def test_any_usual_separator_in_a_file_of_any_name(put, separator, name):
    log = read(put(rows(*ROWS).replace(",", separator), name))
    assert log.items.tolist() == ["a", "b"]
    assert log.past.lengths.tolist() == [2, 1]
    assert log.past.at is not None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_any_encoding_packed_or_not(put, encoding, pack):
    text = rows(*ROWS, "u2,caf\xe9,1700000003").replace("\n", "\r\n")
    assert read(put(text, encoding=encoding, pack=pack)).items.tolist() == ["a", "b", "caf\xe9"]


def test_a_mark_at_the_beginning_of_a_text_is_no_item(put):
    log = read(put("a b\nb a\n", "visits.txt", "utf-8-sig"), sessions=True)
    assert log.items.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "time",
    [
        "2024-01-02T08:00:00",
        "2024-01-02T10:00:00+02:00",
        "2024-01-02 08:00:00 UTC",
        "2024-01-02T08:00:00.0000000Z",
        "1/2/2024 08:00",
        "2024/01/02 08:00:00",
        "1704182400",
        "1704182400000",
        "1704182400000000",
        "1704182400000000000",
    ],
)
def test_a_time_in_any_usual_form(put, time):
    same_way = time.replace("1/2/", "1/22/").replace("-02", "-22").replace("/02", "/22")
    log = read(put(rows(f"u1,a,{time}", f"u1,b,{same_way}", "u3,c,")))
    assert log.past.at.min() == MOMENT
    assert log.dropped == {"no time": 1}


def test_days_as_numbers_are_days(put):
    at = read(put(rows("1,a,20240131", "1,b,20240201"))).past.at
    assert (at[1] - at[0]) == 86_400_000_000


def test_one_number_far_off_does_not_change_the_unit_of_the_others(put):
    log = read(put(rows(*ROWS, "u9,z,9999999999999")))
    assert log.past.at[0] == 1_700_000_000_000_000
    assert log.dropped == {"in the future": 1}


def test_times_with_and_without_a_zone_are_read_together(put):
    log = read(put(rows("1,a,2024-01-02T08:00:00", "1,b,2024-01-02T11:00:00+02:00")))
    assert log.items[log.past.items].tolist() == ["a", "b"]
    assert log.past.at.tolist() == [MOMENT, MOMENT + 3_600_000_000]


def test_days_or_months_first_is_asked(put):
    with refused("day or the month"):
        read(put(rows("1,a,1/2/2024", "1,b,3/4/2024")))


def test_a_missing_time_of_a_later_file_does_not_drop_the_earlier_one(put):
    one, two = put(rows(*ROWS), "1.csv"), put(rows("u1,c,", "u1,d,1700000009"), "2.csv")
    for files in ((one, two), (two, one)):
        log = read(*files)
        assert len(log.past.items) == 4
        assert log.dropped == {"no time": 1}


@pytest.mark.parametrize(
    "head",
    [
        "timestamp,visitorid,event,itemid,transactionid",
        "event_time,user_id,event_type,product_id,user_session",
        "t_dat,customer_id,kind,article_id,order",
    ],
)
def test_columns_as_public_logs_name_them(put, head):
    log = read(put(rows("1,u,view,a,", "2,u,purchase,b,t", head=head)))
    assert log.items[log.past.items].tolist() == ["a", "b"]
    assert log.past.at is not None
    assert log.past.basket is not None


def test_files_of_unlike_columns_are_refused(put):
    with refused("2.csv has no column 'time'"):
        read(put(rows(*ROWS), "1.csv"), put("user,item\nu,a\n", "2.csv"))


def test_names_that_look_like_numbers_stay_names(put):
    assert read(put(rows("1,007,1700000000", "1,7,1700000001"))).items.tolist() == ["007", "7"]
    assert read(put(rows("1.0,7.0,1700000000", ",8.0,1700000001"))).items.tolist() == ["7"]


def test_no_shopper_in_numbers_is_no_shopper(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    file = tmp_path / "log.parquet"
    told = {"user": [1.0, float("nan"), None], "item": [1e10, 2.0, 3.0], "time": [1.0, 2.0, 3.0]}
    parquet.write_table(pa.table(told), file)
    log = read(file)
    assert log.dropped == {"no user": 2}
    assert log.items.tolist() == ["10000000000"]


def test_a_name_of_any_length_is_kept_once(put):
    import tracemalloc

    text = rows(*(f"u{at},i{at % 9},1700000000" for at in range(2_000)), f"u1,{'x' * 50_000},1")
    file = put(text)
    tracemalloc.start()
    try:
        assert len(read(file).items) == 10
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_rows_that_do_not_say_how_many_count(put):
    log = read(put(rows("1,a,1,1", "1,b,2,", "1,c,3,-1", head=f"{HEAD},quantity")))
    assert log.items.tolist() == ["a", "b"]
    assert log.dropped == {"quantity not above 0": 1}


def test_prices_may_have_a_sign_and_a_decimal_comma(put):
    text = 'user;item;time;price\n1;a;1;"1,50"\n1;b;2;$ 2.50\n1;c;3;"-1,50"\n'
    assert read(put(text)).dropped == {"price not above 0": 1}


def test_what_is_in_no_basket_is_by_itself(put):
    head = f"{HEAD},basket"
    log = read(put(rows("1,a,1,", "1,b,2,x", "1,c,2,x", "1,d,9,", head=head)))
    assert log.items[log.past.items].tolist() == ["a", "b", "c", "d"]
    assert log.past.steps_back.tolist() == [2, 1, 1, 0]
    some = put(rows("1,a,1,", "1,b,2,x", head=head))
    assert read(some, sessions=True).past.basket is None
    assert read(put(rows("1,a,1,w", "1,b,2,x", head=head)), sessions=True).past.basket is not None
    assert read(put(rows("1,a,1,", "1,b,2,", head=head))).past.basket is None


def test_lines_that_are_no_rows_are_counted(put):
    log = read(put(rows(*ROWS, "u1", "u1,a,1,1,1")))
    assert log.read == 5
    assert log.dropped == {"with too many or too few columns": 2}


def test_an_event_that_is_written_down_twice_is_one(put):
    head = f"{HEAD},event,price"
    told = (
        "1,a,1,view,",
        "1,a,1,view,",
        "1,a,1,cart,",
        "1,a,2,view,",
        "2,a,1,view,3",
        "2,a,1,view,",
    )
    log = read(put(rows(*told, head=head)))
    assert len(log.past.items) == 5
    assert log.dropped == {"said twice": 1}
    assert len(read(put(rows("1,a", "1,a", head="user,item"))).past.items) == 2
    assert len(read(put(rows("1,a,1,x", "1,a,1,x", head=f"{HEAD},order"))).past.items) == 2


def test_of_two_columns_of_one_name_the_first_counts(put):
    log = read(put(rows("1,a,1,x", "1,b,2,y", head=f"{HEAD},user")))
    assert log.past.lengths.tolist() == [2]


@pytest.mark.parametrize(
    ("text", "told", "words"),
    [
        ("", {}, "is empty"),
        (rows(), {}, "No event is left"),
        (rows(*ROWS), {"items": "["}, "no pattern"),
        (rows(*ROWS), {"columns": "user=who"}, "no column 'who'"),
        (rows(*ROWS), {"columns": "who=user"}, "--columns takes"),
        (rows("1,a,yesterday"), {}, "'yesterday'"),
        (rows("1,a,1,many", head=f"{HEAD},quantity"), {}, "no number"),
        ("u1,a\nu2,b\n", {}, "first line is u1, a"),
    ],
)
def test_what_cannot_be_read_is_said(put, text, told, words):
    with refused(words):
        read(put(text), **told)


def test_broken_files_are_said(put, tmp_path):
    with refused("cannot be read"):
        read(put(rows(*ROWS), pack=lambda content: gzip.compress(content)[:-9]))
    with refused("cannot be read"):
        read(put("PAR1 and nothing else", "log.parquet"))


def test_prefixes_are_one_next_item_each(put):
    visits = put("a b c\nb a\n", "visits.txt")
    log = read(visits, prefixes=put("a b\tc\n\nb\ta\n", "p.txt"), sessions=True)
    assert log.asked[1].tolist() == [2, 0]
    for text, words in (("a\tb c\n", "TAB"), ("\n", "asks nothing")):
        with refused(words):
            read(visits, prefixes=put(text, "p.txt"), sessions=True)
    with refused("no file"):
        read(visits, prefixes=visits.with_name("gone.txt"), sessions=True)
    with refused("next-in-visit"):
        read(visits, prefixes=put("a\tb\n", "p.txt"))
    with refused("not beside a table"):
        read(put(rows(*ROWS)), prefixes=put("a\tb\n", "p.txt"), sessions=True)


def test_attributes_of_any_make(put):
    import numpy as np

    from benchmarks.accuracy import attributes

    items = np.array(["7", "AB", "c"], dtype=object)

    def names(*told, **how):
        found = attributes.read(put(*told, **how), items)
        return None if found is None else set(found.names)

    assert names("item;brand\n7.0;x\nzz;y\n", "a.csv", encoding="utf-8-sig") == {"brand:x"}
    assert names("id\tbrand\nab\tx\n", "a.tsv") == {"brand:x"}
    known = json.dumps({"7": [1, None], "zz": [2], "c": []})
    assert names(known, "a.json", encoding="utf-8-sig") == {"id:1"}
    assert names(json.dumps({"7": [], "c": None}), "a.json") is None
    for text, name in (("{", "a.json"), ("[]", "a.json"), ("brand\nx\n", "a.csv"), ("", "a.csv")):
        with refused("cannot be read|must be an object|no column"):
            names(text, name)
