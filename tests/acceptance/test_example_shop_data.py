"""What the demo loads: the generated catalogue, the simulated shoppers, real order lines with their dirt."""

from __future__ import annotations

import csv
import datetime as dt
import io
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from django.core.exceptions import ImproperlyConfigured
from pyarrow import parquet

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the example is not in the wheel

from example_shop.demo import fashion, habits, shoppers
from example_shop.demo.drawings import DRAWINGS, paint
from example_shop.demo.errors import UnknownData
from example_shop.demo.generated import assortment
from example_shop.demo.goods import reduce_some
from example_shop.demo.order_log import read
from example_shop.demo.report import Report
from example_shop.demo.sketch import SIZE, Look
from example_shop.demo.sources import recognise
from example_shop.project.database import parse

NAMES = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
LOOK = Look(colour=(196, 62, 58), accent=(40, 56, 96), pattern="stripes")


def line(invoice: str, code: str, quantity: int = 2, *, price: float = 1.5, customer: str = "17850",
         text: str = "RED MUG", at: str = "2010-12-01 08:26:00") -> tuple[Any, ...]:  # fmt: skip
    return (invoice, code, text, quantity, at, price, customer, "United Kingdom")


def write_csv(path: Path, *lines: tuple[Any, ...], names: tuple[str, ...] = NAMES) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *lines])
    return path


# --- the generated catalogue -----------------------------------------------------------------------


def test_the_catalogue_is_the_same_for_the_same_seed() -> None:
    assert assortment(48, seed=3) == assortment(48, seed=3)
    assert assortment(48, seed=3) != assortment(48, seed=4)


def test_the_catalogue_has_variants_sold_out_products_and_unique_slugs() -> None:
    products = assortment(600).products
    assert len({plan.slug for plan in products}) == 600
    assert len({plan.category for plan in products}) == 24
    assert 900 <= sum(len(plan.options) for plan in products) <= 1_500
    assert 10 <= sum(not any(plan.stock) for plan in products) <= 80
    assert all(len(plan.stock) == max(1, len(plan.options)) for plan in products)
    assert all(plan.price > 0 for plan in products)


@pytest.mark.parametrize("shape", sorted(DRAWINGS))
def test_every_shape_can_be_drawn(shape: str) -> None:
    image = paint(shape, LOOK)
    assert image.size == (SIZE, SIZE)
    assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 10


# --- simulated shoppers ----------------------------------------------------------------------------


def simulated(seed: int = 5) -> tuple[Any, shoppers.Trace]:
    made = assortment(240)
    rng = np.random.default_rng(seed)
    likes = shoppers.tastes(80, made.products, made.personas, rng)
    return made, shoppers.simulate(likes, shoppers.traits_of(made.products), 180, rng)


def test_the_simulation_is_the_same_for_the_same_seed() -> None:
    (_, one), (_, other) = simulated(), simulated()
    assert np.array_equal(one.product, other.product)
    assert np.array_equal(one.at, other.at)


def test_nobody_looks_at_a_product_before_it_exists() -> None:
    made, trace = simulated()
    ages = np.asarray([plan.days_old for plan in made.products]) * shoppers.DAY
    assert (trace.at <= ages[trace.product]).all()
    assert (trace.at > 0).all()


def test_everything_bought_was_put_in_the_cart_first() -> None:
    _, trace = simulated()

    def pairs(kind: int) -> set[tuple[int, int]]:
        rows = trace.kind == kind
        return set(zip(trace.visit[rows].tolist(), trace.product[rows].tolist(), strict=True))

    assert pairs(shoppers.RETURN) <= pairs(shoppers.BUY) <= pairs(shoppers.CART)
    assert pairs(shoppers.CART) <= pairs(shoppers.VIEW)
    assert pairs(shoppers.BUY)


def test_personas_follow_their_taste() -> None:
    made, trace = simulated()
    ann = (trace.shopper == 0) & (trace.kind == shoppers.VIEW)
    looked_at = Counter(made.products[at].category[-1] for at in trace.product[ann].tolist())
    liked = sum(looked_at[name] for name in made.personas[0].categories)
    assert liked > 0.6 * looked_at.total()


def test_habits_add_what_completes_what_is_used_up_and_a_craze() -> None:
    made, before = simulated()
    traits = shoppers.traits_of(made.products)
    trace = habits.follow(before, made.products, traits, np.random.default_rng(1))
    added = slice(len(before.kind), None)
    ages = traits.days_old * shoppers.DAY
    assert (trace.at[added] <= ages[trace.product[added]]).all()
    assert (trace.at > 0).all()
    baskets: dict[int, set[int]] = {}
    bought = trace.kind == shoppers.BUY
    for visit, product in zip(trace.visit[bought], trace.product[bought], strict=True):
        baskets.setdefault(int(visit), set()).add(int(product))
    goes_with = habits.companions(made.products, traits, np.random.default_rng(1))
    together = [sum(goes_with[each] in basket for each in basket) for basket in baskets.values()]
    assert sum(together) > 0.3 * len(baskets)
    pairs = Counter(
        zip(trace.shopper[bought].tolist(), trace.product[bought].tolist(), strict=True)
    )
    again = {made.products[product].category[-1] for (_, product), n in pairs.items() if n > 1}
    assert "Candles" in again
    lately = Counter(trace.product[trace.at < 20 * 3_600].tolist())
    assert len([count for count in lately.values() if count >= 8]) >= habits.CRAZES


def test_some_of_what_is_not_new_is_reduced() -> None:
    plans = reduce_some(assortment(600), np.random.default_rng(7)).products
    reduced = [plan for plan in plans if plan.was is not None]
    assert 30 <= len(reduced) <= 120
    assert all(plan.price < plan.was and plan.days_old >= 60 for plan in reduced)


# --- order lines -----------------------------------------------------------------------------------


def test_each_kind_of_dirt_is_dropped_and_counted(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "log.csv",
        line("536365", "85123A"),
        line("536365", "POST", text="POSTAGE"),
        line("536366", "22633", price=0.0),
        line("536367", "22633", quantity=-4),
        line("536368", "22633", customer=""),
        line("536369", "22632", text=""),
    )
    log = read(tmp_path)
    assert log.code.tolist() == ["85123A", "22633", "22632"]
    assert log.customer.tolist() == ["17850", "", "17850"]
    told = "\n".join(log.report)
    for words in ("6 order lines in 1 file", "1 lines dropped that are postage, fees or adjustments (POST 1)",
                  "1 lines dropped with a zero or negative price", "1 lines dropped with no quantity",
                  "1 lines without a customer", "3 order lines kept"):  # fmt: skip
        assert words in told


def test_a_cancellation_refunds_what_the_customer_bought_last(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "log.csv",
        line("536365", "85123A", 6, at="2010-12-01 08:00:00"),
        line("536370", "85123A", 2, at="2010-12-02 08:00:00"),
        line("C536379", "85123A", -3, at="2010-12-03 08:00:00"),
        line("C536380", "85123A", -9, customer="99999", at="2010-12-03 08:00:00"),
    )
    log = read(tmp_path)
    found = sorted(zip(log.invoice, log.quantity.tolist(), log.refunded.tolist(), strict=True))
    assert found == [("536365", 1, True), ("536365", 5, False), ("536370", 2, True)]
    assert "2 cancellations: 2 sold lines became refunds" in log.report


def test_the_overlap_of_two_sheets_is_removed(tmp_path: Path) -> None:
    second = ("Invoice", *NAMES[1:5], "Price", "Customer ID", "Country")
    write_csv(
        tmp_path / "a.csv",
        line("489434", "85048", at="2009-12-01 07:45:00"),
        line("536365", "85123A", at="2010-12-01 08:26:00"),
        names=second,
    )
    write_csv(
        tmp_path / "b.csv",
        line("536365", "85123A"),
        line("536366", "22633", at="2010-12-02 09:00:00"),
    )
    log = read(tmp_path)
    assert log.invoice.tolist() == ["489434", "536365", "536366"]
    assert any(
        "1 lines removed: both files have them (2010-12-01 on)" in each for each in log.report
    )


def test_parquet_with_float_customers_and_real_dates(tmp_path: Path) -> None:
    table = pa.table(
        {
            "InvoiceNo": ["536365", "536366"],
            "StockCode": ["85123a", "22633"],
            "Description": [None, " HAND WARMER "],
            "Quantity": [6, 1],
            "InvoiceDate": [dt.datetime(2010, 12, 1, 8, 26), dt.datetime(2010, 12, 1, 9, 0)],
            "UnitPrice": [2.55, 1.85],
            "CustomerID": [17850.0, None],
        }
    )
    parquet.write_table(table, tmp_path / "log.parquet")
    log = read(tmp_path / "log.parquet")
    assert log.code.tolist() == ["85123A", "22633"]
    assert log.customer.tolist() == ["17850", ""]
    assert log.description.tolist() == ["", "HAND WARMER"]
    assert log.at[0] == np.datetime64("2010-12-01T08:26:00")


# --- what a path is --------------------------------------------------------------------------------


def test_data_sets_are_recognised_by_what_is_in_them(tmp_path: Path) -> None:
    assert recognise(None, "small").name == "generated-small"
    log = write_csv(tmp_path / "log.csv", line("536365", "85123A"))
    assert recognise(log, "normal").name == "online_retail"
    assert recognise(tmp_path, "normal").name == "online_retail"
    clothes = tmp_path / "fashion"
    clothes.mkdir()
    names = ("id", "gender", "masterCategory", "subCategory", "articleType", "baseColour", "season",
             "year", "usage", "productDisplayName")  # fmt: skip
    write_csv(clothes / "catalogue.csv", names=names)
    tarfile.open(clothes / "images.tar", "w").close()
    assert recognise(clothes, "normal").name == "fashion"


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n"])
def test_anything_else_is_refused_and_told_what_is_accepted(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "some.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UnknownData, match="--data accepts"):
        recognise(path, "normal")


# --- the fashion catalogue -------------------------------------------------------------------------


def test_a_fashion_catalogue_takes_what_has_a_picture(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    folder = tmp_path / "fashion"
    folder.mkdir()
    row = ("Women", "Footwear", "Shoes", "Heels", "Red", "Summer", "2012", "Casual")
    names = ("id", "gender", "masterCategory", "subCategory", "articleType", "baseColour", "season",
             "year", "usage", "productDisplayName")  # fmt: skip
    write_csv(
        folder / "catalogue.csv",
        ("7", *row, "Acme Women Red Heels"), ("8", *row, "No Picture Heels"), ("../9", *row, "Bad"),
        names=names,
    )  # fmt: skip
    with tarfile.open(folder / "images.tar", "w") as archive:
        for name in ("images/7.jpg", "images/../../../9.jpg", "images/7.txt"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"jpg"))
    loaded = fashion.load(folder, 10, Report(quiet=True))
    assert [plan.title for plan in loaded.products] == ["Acme Women Red Heels"]
    plan = loaded.products[0]
    assert (plan.brand, plan.category[-1], plan.gender) == ("Acme", "Heels", "Women")
    assert (settings.MEDIA_ROOT / plan.picture).read_bytes() == b"jpg"
    assert [path.name for path in tmp_path.rglob("*.jpg")] == ["7.jpg"]
    assert "simulated" in loaded.price_note


# --- the database's address ------------------------------------------------------------------------


def test_a_database_url_is_read() -> None:
    found = parse("postgresql://me:p%40ss@db:5433/my%20shop?sslmode=require")
    assert (found["USER"], found["PASSWORD"], found["HOST"]) == ("me", "p@ss", "db")
    assert (found["NAME"], found["PORT"]) == ("my shop", "5433")
    assert found["OPTIONS"] == {"sslmode": "require"}
    assert parse("postgresql://postgres:@/postgres?host=/run/pg")["HOST"] == "/run/pg"


@pytest.mark.parametrize("url", ["", "mysql://me@db/shop", "postgresql://me@db/"])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        parse(url)
