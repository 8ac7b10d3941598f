"""reco_init's guesses over any models at all: the source compiles, and every path leads somewhere."""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import models
from django.test.utils import isolate_apps
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.catalog import Catalog, OrderMapping, scaffold
from reco_plugin.catalog.scaffold import project
from reco_plugin.catalog.scaffold.statuses import sorted_out
from reco_plugin.catalog.scaffold.words import tokens
from reco_plugin.checks.paths import broken_path, class_texts

NAMES = (
    "name", "title", "label", "description", "price", "unit_price", "cents", "price_cents", "old_price",
    "stock", "quantity", "amount", "count", "in_stock", "category", "brand", "image", "image_url", "tags",
    "parent", "active", "is_active", "hidden", "published", "published_at", "status", "state", "created",
    "created_at", "updated_at", "deleted_at", "email", "number", "code", "sku", "currency", "user",
    "customer", "session_key", "colour", "size", "paid", "paid_at", "visitor", "date", "x", "product_id",
)  # fmt: skip

KINDS: tuple[Callable[[], Any], ...] = (
    lambda: models.CharField(max_length=50),
    lambda: models.CharField(
        max_length=9, choices=[("paid", "Paid"), ("draft", "Draft"), ("live", "On")]
    ),
    models.TextField,
    models.IntegerField,
    lambda: models.IntegerField(choices=[(1, "Open"), (2, "Paid")]),
    lambda: models.DecimalField(max_digits=9, decimal_places=2, null=True),
    models.FloatField,
    models.BooleanField,
    lambda: models.DateTimeField(null=True),
    models.DateField,
    models.JSONField,
    models.URLField,
    models.EmailField,
    models.SlugField,
    models.UUIDField,
    lambda: models.FileField(upload_to="f"),
    lambda: models.ForeignKey("self", models.CASCADE, null=True, related_name="+"),
    lambda: models.ForeignKey("testapp.Shelf", models.CASCADE, related_name="+"),
    lambda: models.ManyToManyField("testapp.Shelf", related_name="+"),
    lambda: models.ForeignKey(django_settings.AUTH_USER_MODEL, models.CASCADE, related_name="+"),
)

KEYS: tuple[Callable[[], Any], ...] = (
    lambda: models.BigAutoField(primary_key=True),
    lambda: models.UUIDField(primary_key=True),
    lambda: models.CharField(max_length=20, primary_key=True),
)

FIELDS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(KINDS), max_size=10)
BESIDE = st.lists(
    st.tuples(
        st.sampled_from(
            ("StockRecord", "ProductPrice", "ProductImage", "ProductVariant", "OrderLine", "SaleItem",
             "Purchase", "CartItem", "ProductCategory", "ProductListing", "Review")
        ),
        FIELDS,
        st.sampled_from(("plain", "one", "hidden", "soft")),
    ),
    unique_by=lambda found: found[0],
    max_size=4,
)  # fmt: skip


def model(name: str, fields: dict[str, Any]) -> Any:
    body = {
        "__module__": "testapp.models",
        "Meta": type("Meta", (), {"app_label": "testapp"}),
        **fields,
    }
    return type(models.Model)(name, (models.Model,), body)


def to_product(how: str) -> dict[str, Any]:
    if how == "soft":
        return {"sku": models.CharField(max_length=20)}
    if how == "one":
        return {"product": models.OneToOneField("testapp.Goods", models.CASCADE)}
    named = {"related_name": "+"} if how == "hidden" else {}
    return {"product": models.ForeignKey("testapp.Goods", models.CASCADE, **named)}


@pytest.fixture
def place(tmp_path, monkeypatch):
    where = project.Place(path=tmp_path / "reco.py", module="goods.reco")
    monkeypatch.setattr(project, "place", lambda product, app: where)
    monkeypatch.setattr(project, "_later_migration", lambda product: "")
    monkeypatch.setattr("reco_plugin.catalog.scaffold.orders.values_of", lambda model, field: [])


@settings(max_examples=80, deadline=None)
@given(key=st.sampled_from(KEYS), own=FIELDS, beside=BESIDE)
def test_whatever_the_shape_every_path_leads_somewhere(key, own, beside):
    with isolate_apps("testapp") as registry, pytest.MonkeyPatch.context() as patch:
        model("Customer", {"email": models.EmailField()})
        model("Shelf", {"label": models.CharField(max_length=9)})
        product = model("Goods", {"key": key(), **{name: kind() for name, kind in own.items()}})
        order = model("Order", {"status": models.CharField(max_length=9)})
        for name, fields, how in beside:
            told = {field: kind() for field, kind in fields.items()} | to_product(how)
            if name in ("OrderLine", "SaleItem"):
                told["order"] = models.ForeignKey(order, models.CASCADE, related_name="+")
            model(name, told)
        patch.setattr(project, "place", lambda *_: project.Place(path=None, module="goods.reco"))
        patch.setattr(project, "_later_migration", lambda product: "")
        patch.setattr(
            "reco_plugin.catalog.scaffold.orders.values_of",
            lambda model, field: list(field.flatchoices),
        )
        drawn = scaffold.draft(product)
        judge(drawn.source, product, registry)


def judge(source: str, product: Any, registry: Any) -> None:
    """Compile it, put the models where it imports them from, and follow every path."""
    ast.parse(source)
    by_name = {found.__name__: found for found in registry.get_models()}
    lines = [line for line in source.splitlines() if "from testapp" not in line]
    classes: dict[str, Any] = dict(by_name)
    exec(compile("\n".join(lines), "reco.py", "exec"), classes)
    catalog = classes["TestappCatalog"]
    for name, path in class_texts(catalog, Catalog):
        if path and name != "category_parent":
            assert broken_path(product, path.split(".")) is None, source
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalog, "model", property(lambda self: product))
        eligible = catalog().eligible(product._default_manager.all(), None)
        assert str(eligible.filter(pk__isnull=False).query), source
    mapping = classes.get("TestappOrders")
    if mapping is not None:
        line = by_name[mapping.model.partition(".")[2]]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(OrderMapping, "line_model", line)
            assert mapping().problems() == [], source


# --- single guesses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("OrderLine", {"order", "line"}),
        ("order_line", {"order", "line"}),
        ("HTMLOrder2", {"htmlorder2"}),
        ("price-in cents", {"price", "in", "cents"}),
    ],
)
def test_tokens(name, found):
    assert tokens(name) == found


def test_statuses_by_their_words():
    values = [
        "new", "Awaiting payment", "unpaid", "not_paid", "paid", "Shipped", "partially_refunded",
        "refunded", "canceled", "payment failed", "confirmed", "zzz",
    ]  # fmt: skip
    found = sorted_out("state", [(value, value) for value in values])
    assert found.paid == ["paid", "Shipped", "partially_refunded", "confirmed"]
    assert found.refunded == ["refunded"]
    assert found.cancelled == ["canceled", "payment failed"]
    assert found.waiting == ["new", "Awaiting payment", "unpaid", "not_paid", "zzz"]
    assert found.doubtful == ["partially_refunded", "confirmed", "zzz"]


def test_a_number_tells_its_meaning_by_its_label():
    found = sorted_out("state", [(1, "Open"), (2, "Paid"), (3, "Cancelled")])
    assert (found.paid, found.cancelled) == (["2"], ["3"])


def test_a_cart_is_no_order_and_the_likeliest_product_is_proposed():
    def named(name: str) -> Any:
        return SimpleNamespace(
            __name__=name, _meta=SimpleNamespace(label=f"shop.{name}", abstract=False)
        )

    labels = scaffold.products(
        [named(name) for name in ("OrderItem", "Product", "ProductType", "Book")]
    )
    assert labels == ["shop.Product", "shop.Book"]


def test_the_awkward_shop_of_the_tests(place):
    drawn = scaffold.draft(apps.get_model("testapp.Product"))
    found = {guess.subject: guess for guess in drawn.guesses}
    assert found["product.title"].found == "label"
    assert found["product.category"].found == "shelves"
    assert found["product.brand"].found == "maker"
    assert found["product.group"].found == "canonical"
    assert found["product.stock"].found == "StockRecord.count by product_id"
    assert found["order.line"].found == "testapp.Line"
    assert found["order.user"].found == "order__customer_id"
    assert "cents / 100" in drawn.source
    assert "hidden=False" in drawn.source


def orders_of(sale: dict[str, Any], choices: Any = None) -> dict[str, Any]:
    """The guesses about orders of a shop whose `Sale` has these fields, and the source under ''."""
    with isolate_apps("testapp"):
        product = model("Goods", {"label": models.CharField(max_length=9)})
        state = models.IntegerField(choices=choices or [(10, "Paid")])
        order = model("Sale", {"state": state, **sale})
        line = {
            "sale": models.ForeignKey(order, models.CASCADE),
            "goods": models.ForeignKey(product, models.CASCADE),
            "pieces": models.IntegerField(),
        }
        model("SaleLine", line)
        drawn = scaffold.draft(product)
    return {guess.subject: guess for guess in drawn.guesses} | {"": drawn.source}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (("touched", "due_date", "ordered"), "sale__ordered"),
        (("delivered", "received"), "sale__received"),
        (("valid_until", "shipped_on"), ""),
    ],
)
def test_an_unusual_name_for_the_day_of_an_order(place, fields, path):
    found = orders_of({name: models.DateTimeField() for name in fields})
    assert found["order.placed_at"].found == path
    assert ("every past order would count as made today" in found[""]) == (not path)


def test_the_day_of_an_order_is_what_is_set_at_creation_not_at_every_change(place):
    found = orders_of(
        {
            "noted": models.DateTimeField(),
            "seen": models.DateTimeField(auto_now=True),
            "born_at_till": models.DateTimeField(),
            "entered": models.DateTimeField(auto_now_add=True),
        }
    )
    assert found["order.placed_at"].found == "sale__entered"
    assert found["order.placed_at"].alternatives == ("sale__noted",)


def test_a_status_that_is_a_number_is_named_by_what_people_see(place, monkeypatch):
    listed = "reco_plugin.catalog.scaffold.orders.values_of"
    monkeypatch.setattr(listed, lambda model, field: list(field.flatchoices))
    choices = [(0, "Offen"), (10, "Bezahlt"), (20, "Rätsel"), (40, "Retoure")]
    found = orders_of({"ordered": models.DateTimeField()}, choices)
    assert found["order.status"].found == "sale__state (paid: 10 (Bezahlt))"
    assert 'refunded = {"40"}' in found[""]
    assert "# look at 20 (Rätsel)" in found[""]


def test_prices_in_several_currencies_want_a_look(place):
    with isolate_apps("testapp"):
        product = model("Goods", {"label": models.CharField(max_length=9)})
        goods = models.ForeignKey(product, models.CASCADE, related_name="prices")
        amount = models.DecimalField(max_digits=9, decimal_places=2)
        price = {"goods": goods, "currency": models.CharField(max_length=3), "amount": amount}
        model("Price", price)
        drawn = scaffold.draft(product)
    (found,) = (guess for guess in drawn.guesses if guess.subject == "product.price")
    assert (found.sure, found.found) == ("unsure", "prices.amount")
    assert "in ANY currency: add a condition on row.currency" in drawn.source


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        (
            {"price": models.FloatField(), "compare_at_price": models.FloatField(null=True)},
            'list_price = "compare_at_price"',
        ),
        (
            {
                "price_cents": models.IntegerField(),
                "old_price_cents": models.IntegerField(null=True),
            },
            "cents = product.old_price_cents",
        ),
        ({"price": models.FloatField(), "old_price": models.IntegerField(null=True)}, ""),
        ({"regular_price": models.FloatField()}, ""),
    ],
)
def test_a_price_before_a_reduction_is_of_the_same_money(place, fields, written):
    with isolate_apps("testapp"):
        drawn = scaffold.draft(model("Goods", fields))
    found = {guess.subject for guess in drawn.guesses}
    assert ("product.list_price" in found) == bool(written)
    assert written in drawn.source
    assert written or "list_price" not in drawn.source
