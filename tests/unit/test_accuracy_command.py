"""Any log in: what is read, what is refused and why, and the lines that come out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks" / "accuracy").is_dir(), reason="the benchmarks are not shipped"
)


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def sequences(folder, lists):
    file = folder / "log.txt"
    file.write_text("".join(f"u{at} {' '.join(one)}\n" for at, one in enumerate(lists)))
    return file


def habits(shoppers=60, tastes=3, each=6):
    """Shoppers who step through the items of one of a few tastes."""
    return [
        [f"t{row % tastes}i{(row + step) % 8}" for step in range(each)] for row in range(shoppers)
    ]


def table(folder, header, rows, name="log.csv"):
    pytest.importorskip("pyarrow")
    file = folder / name
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def command(*told):
    from benchmarks.accuracy.command import main

    return main([str(one) for one in told])


# --- reading -------------------------------------------------------------------------------------


def test_sequences_keep_their_order(tmp_path):
    from benchmarks.accuracy.reading import read

    log = read([sequences(tmp_path, [["b", "a"], ["c"]])])
    assert log.items.tolist() == ["a", "b", "c"]
    assert log.past.items.tolist() == [1, 0, 2]
    assert log.past.lengths.tolist() == [2, 1]
    assert log.past.at is None


def test_sessions_come_with_their_own_test(tmp_path):
    from benchmarks.accuracy.protocols import protocols, split
    from benchmarks.accuracy.reading import read

    visits, prefixes = tmp_path / "visits.txt", tmp_path / "prefixes.txt"
    visits.write_text("1 2\n2 3\n")
    prefixes.write_text("1 2\t3\n9\t1\n")
    log = read([visits], prefixes=prefixes, sessions=True)
    fold = split(log, protocols(0)["next-in-visit"])
    assert log.items.tolist() == ["1", "2", "3", "9"]
    assert fold.requests.here.items.tolist() == [0, 1, 3]
    assert fold.wanted.indices.tolist() == [2, 0]
    assert fold.train.items.tolist() == [0, 1, 1, 2]


def test_a_prefix_without_a_tab_is_refused(tmp_path):
    from benchmarks.accuracy.reading import CannotRead, read

    (tmp_path / "v.txt").write_text("1 2\n")
    (tmp_path / "p.txt").write_text("1 2 3\n")
    with pytest.raises(CannotRead, match="TAB"):
        read([tmp_path / "v.txt"], prefixes=tmp_path / "p.txt", sessions=True)


def test_a_table_is_read_by_its_usual_names_and_dirt_is_counted(tmp_path):
    from benchmarks.accuracy.reading import read

    file = table(
        tmp_path,
        "Customer ID,StockCode,InvoiceDate,Invoice,Quantity,Price,Description",
        [
            "1,a1,2024-01-02T10:00:00,x,1,2.0,red cup",
            "1,A1,2024-01-01T10:00:00,w,1,2.0,red cup",
            ",a1,2024-01-01T10:00:00,w,1,2.0,red cup",
            "2,b2,2024-01-01T10:00:00,v,-1,2.0,blue cup",
            "2,b2,2024-01-01T10:00:00,v,1,0,blue cup",
            "2,POST,2024-01-01T10:00:00,v,1,3,postage",
            "2,b2,2999-01-01T10:00:00,v,1,3,blue cup",
            "2,b2,2024-01-01T10:00:00,v,1,3,blue cup",
        ],
    )
    log = read([file], items=r"[A-Z]\d")
    assert log.items.tolist() == ["A1", "B2"]
    assert len(log.past.items) == 3
    assert log.past.lengths.tolist() == [2, 1]
    assert (np.diff(log.past.at[:2]) > 0).all()
    assert log.dropped == {
        "no user": 1,
        "quantity not above 0": 1,
        "price not above 0": 1,
        "in the future": 1,
        "not a product": 1,
    }
    assert log.titles == {0: "red cup", 1: "blue cup"}


def test_a_later_file_takes_over_from_its_first_moment(tmp_path):
    from benchmarks.accuracy.reading import read

    one = table(
        tmp_path, "user,item,time", ["1,a,2024-01-01T00:00:00", "1,b,2024-02-01T00:00:00"], "1.csv"
    )
    two = table(
        tmp_path, "user,item,time", ["1,b,2024-02-01T00:00:00", "1,c,2024-03-01T00:00:00"], "2.csv"
    )
    log = read([one, two])
    assert log.items[log.past.items].tolist() == ["a", "b", "c"]
    assert log.dropped == {"in a later file too": 1}


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_times_as_numbers_are_seconds_milliseconds_or_microseconds(tmp_path, unit):
    from benchmarks.accuracy.reading import read

    seconds = 1_700_000_000
    file = table(
        tmp_path, "user,item,time", [f"1,a,{seconds * unit}", f"1,b,{(seconds + 5) * unit}"]
    )
    assert read([file]).past.at.tolist() == [seconds * 1_000_000, (seconds + 5) * 1_000_000]


def test_refunds_are_left_out_and_purchases_alone_count_where_asked(tmp_path):
    from benchmarks.accuracy.reading import read

    file = table(
        tmp_path,
        "user,item,time,event",
        [
            f"1,{item},2024-01-0{day},{kind}"
            for item, day, kind in (("a", 1, "view"), ("b", 2, "purchase"), ("b", 3, "refund"))
        ],
    )
    assert len(read([file]).past.items) == 2
    assert read([file], bought=True).items.tolist() == ["b"]


def test_columns_may_be_named_and_a_missing_one_is_said(tmp_path):
    from benchmarks.accuracy.reading import CannotRead, read

    file = table(tmp_path, "who,what", ["1,a", "1,b"])
    with pytest.raises(CannotRead, match="has no column 'user'"):
        read([file])
    assert read([file], columns="user=who,item=what").past.lengths.tolist() == [2]


def test_attributes_in_csv_and_json(tmp_path):
    from benchmarks.accuracy import attributes

    items = np.array(["a", "b", "c"])
    plain = tmp_path / "a.csv"
    plain.write_text("item,brand,title\na,x,Red cup\nb,x,\nz,y,Other\n")
    found = attributes.read(plain, items)
    assert set(found.names) == {"brand:x", "title:red", "title:cup"}
    assert found.matrix.toarray().sum(axis=1).tolist() == [3, 1, 0]
    ids = tmp_path / "a.json"
    ids.write_text(json.dumps({"a": [1, 2], "c": [2]}))
    assert attributes.read(ids, items).matrix.sum() == 3
    ids.write_text(json.dumps({"zz": [1]}))
    with pytest.raises(Exception, match="knows none"):
        attributes.read(ids, items)


# --- what cannot be measured ---------------------------------------------------------------------


def test_a_log_without_time_cannot_be_cut_in_time(tmp_path, capsys):
    assert command("--log", sequences(tmp_path, habits()), "--protocol", "time") == 2
    assert "no times, only an order" in capsys.readouterr().err


def test_deep_models_are_not_asked_what_a_log_cannot_answer(tmp_path, capsys):
    from benchmarks.deep import main

    log = sequences(tmp_path, habits())
    assert main(["--log", str(log), "--protocol", "time"]) == 2
    assert "no times, only an order" in capsys.readouterr().err


def test_a_log_without_baskets_has_no_last_one(tmp_path, capsys):
    assert command("--log", sequences(tmp_path, habits()), "--protocol", "cart") == 2
    assert "Add a column `basket`" in capsys.readouterr().err


def test_one_event_per_shopper_leaves_nothing_to_ask(tmp_path, capsys):
    assert command("--log", sequences(tmp_path, [["a"], ["b"], ["a"]])) == 2
    assert "no shopper has more than one event" in capsys.readouterr().err


def test_new_items_of_which_nothing_is_known_cannot_be_found(tmp_path, capsys):
    log, told = sequences(tmp_path, habits()), tmp_path / "a.json"
    ask = ("--log", log, "--protocol", "new-items", "--attributes", told, "--threads", 1, "--json")
    told.write_text(json.dumps({"t0i0": [1], "t0i1": []}))
    assert command(*ask) == 2
    assert "nothing is known of" in capsys.readouterr().err
    told.write_text(json.dumps({"t0i0": [], "t0i1": []}))
    assert command(*ask) == 2
    assert "nothing is known of the items" in capsys.readouterr().err


def test_one_feature_that_all_have_is_measured(tmp_path, capsys):
    log, told = sequences(tmp_path, habits()), tmp_path / "a.json"
    told.write_text(
        json.dumps({f"t{taste}i{item}": [1] for taste in range(3) for item in range(8)})
    )
    ask = ("--log", log, "--protocol", "new-items", "--attributes", told, "--threads", 1, "--json")
    assert command(*ask) in {0, 1}
    names = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert "latent content" in names


@pytest.mark.parametrize("option", [("--most", "-1"), ("--seed", "-1"), ("--bar", "nan")])
def test_numbers_that_are_none_are_refused(tmp_path, capsys, option):
    with pytest.raises(SystemExit) as left:
        command("--log", sequences(tmp_path, habits()), *option)
    assert left.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_what_is_not_there_is_said(tmp_path, capsys):
    assert command("--log", tmp_path / "nothing.csv") == 2
    assert "There is no file" in capsys.readouterr().err


def test_an_empty_log_is_said(tmp_path, capsys):
    (tmp_path / "log.txt").write_text("\n")
    assert command("--log", tmp_path / "log.txt") == 2
    assert "holds no event" in capsys.readouterr().err


def test_remarks_on_a_poor_log(tmp_path):
    from benchmarks.accuracy.protocols import protocols
    from benchmarks.accuracy.reading import read
    from benchmarks.accuracy.statement import remarks

    rows = [
        f"{user},{item},2024-0{month}-01"
        for user in range(5)
        for item, month in (("a", 1), ("b", 1), ("c", 9))
    ]
    log = read([table(tmp_path, "user,item,time", [*rows, "9,old,2024-01-01"])])
    protocol = protocols(0)["leave-last-out"]
    said = " ".join(remarks(log, protocol, protocol.cut(log.past)))
    assert "1 shoppers have one event" in said
    assert "at the same moment" in said
    assert "may be off sale" in said
    assert "Only 5 requests" in said


# --- the lines -----------------------------------------------------------------------------------


def test_one_line_of_json_per_model(tmp_path, capsys):
    status = command("--log", sequences(tmp_path, habits()), "--json", "--threads", "1")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    wanted = {
        "name",
        "default",
        "recall@10",
        "ndcg@10",
        "mrr",
        "hit",
        "coverage",
        "fit_s",
        "ms_per_request",
    }
    assert all(wanted | {"ratio", "bar", "holds"} <= set(line) for line in lines)
    ours = [line for line in lines if line["default"]]
    assert len(ours) == 1
    assert status == (0 if ours[0]["holds"] else 1)
    best = max(line["ndcg@10"] for line in lines if not line["default"])
    assert ours[0]["ratio"] == pytest.approx(ours[0]["ndcg@10"] / best, rel=1e-2)
    assert next(line["name"] for line in lines if line["ndcg@10"] == best) or ours[0]["against"]


def test_the_table_is_for_people(tmp_path, capsys):
    command("--log", sequences(tmp_path, habits()), "--bar", "0.5", "--threads", "1")
    shown = capsys.readouterr()
    assert "sequential rules" in shown.out
    assert "default pipeline" in shown.out
    assert "60 requests" in shown.err


def test_holding_needs_an_interval():
    from benchmarks.accuracy.compare import holds

    assert holds(1.06, 1.01, 1.05)
    assert not holds(1.06, 0.99, 1.05)
    assert not holds(1.04, 1.01, 1.05)
    assert holds(0.99, 0.98, 1.0)


# --- peers agree with the product where they should ----------------------------------------------


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 100))
def test_plain_peers_and_trainers_agree(seed):
    import sys

    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.accuracy.peers import shoppers as peers
    finally:
        sys.path.remove(str(ROOT))
    from dataclasses import replace

    from reco_plugin.ranking import folds
    from reco_plugin.testing.neighbours import planted_histories
    from reco_plugin.trainers.ease import weights
    from reco_plugin.trainers.sequential import SequentialRules

    past = replace(planted_histories(shoppers=30, seed=seed), basket=None)
    first = np.zeros(len(past.items), bool)  # what follows itself counts for the peer only
    first[np.unique(past.rows * past.n_items + past.items, return_index=True)[1]] = True
    past = past.keep(first)
    fold = folds.last_event(past)
    rank = peers.sequential_rules(fold, (10, 0.8))(np.arange(len(fold.requests)), 5)
    scores = SequentialRules().fit(fold.train).score(fold.requests.past).toarray()
    scores[fold.requests.barred()] = -np.inf
    for row, mine in enumerate(rank):
        best = np.sort(scores[row])[::-1][:5]
        assert scores[row, mine] == pytest.approx(best, abs=1e-5)
    taken = fold.train.sets()
    assert np.allclose(weights(taken, 10.0), peers.ease_weights(taken, 10.0), atol=1e-4)


NAMES = (
    "leave-last-out",
    "last-basket",
    "next-basket",
    "cart",
    "time",
    "next-in-visit",
    "new-items",
)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=6)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(1, 5), st.integers(0, 2)),
        min_size=1,
        max_size=50,
    )
)
def test_any_small_log_is_measured_or_refused_in_words(tmp_path_factory, name, rows):
    folder = tmp_path_factory.mktemp("log")
    lines = [f"{u},i{i},2024-01-0{d}T00:00:00,{u}-{d}-{b},red {i % 3} cup" for u, i, d, b in rows]
    file = table(folder, "user,item,time,basket,title", lines)
    import sys

    sys.path.insert(0, str(ROOT))
    try:
        status = command(
            "--log", file, "--protocol", name, "--json", "--threads", "1", "--ablations"
        )
    finally:
        sys.path.remove(str(ROOT))
    assert status in {0, 1, 2}


# --- the LightFM path ----------------------------------------------------------------------------


def test_the_lightfm_path_is_asked_beside_the_stock_library(tmp_path, capsys):
    pytest.importorskip("lightfm")
    log = sequences(tmp_path, habits())
    assert command("--lightfm", "--log", log, "--threads", 1, "--json") in {0, 1}
    stock, ours = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (stock["name"], ours["name"]) == ("LightFM (stock)", "LightFM path")
    assert ours["default"]
    assert (ours["bar"], ours["against"]) == (1.0, stock["name"])
    assert ours["recall@10"] > 0.9  # by chance .53: ten of the nineteen a shopper has not met
    assert "shopper_vector" in ours["note"]


def test_nobody_known_has_no_vector(tmp_path, capsys):
    log = tmp_path / "visits.txt"
    log.write_text("a b\nb c\na c\n" * 20)
    told = ("--lightfm", "--log", log, "--protocol", "next-in-visit")
    assert command(*told) == 2
    assert "take --protocol leave-last-out" in capsys.readouterr().err
