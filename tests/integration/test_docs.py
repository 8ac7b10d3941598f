"""What the documentation shows is what there is."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.apps import apps
from django.core.management import get_commands, load_command_class
from django.db import models
from django.template import Template
from django.test import RequestFactory
from django.test.utils import isolate_apps

from reco_plugin import Catalog, OrderMapping, backends, checks, conf, signals
from reco_plugin.datasets.weights import EventWeights
from reco_plugin.serving import recommend
from reco_plugin.types import EventKind

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
]
TUTORIAL = ROOT / "docs/tutorial/first-recommendations.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str, pages: list[Path] = PAGES) -> list[Any]:
    return [
        pytest.param(code, id=f"{page.stem}-{at}")
        for page in pages
        for at, (found, code) in enumerate(FENCE.findall(page.read_text()))
        if found == language
    ]


def words(pattern: str) -> set[str]:
    return {word for page in PAGES for word in re.findall(pattern, page.read_text())}


def commands() -> Iterator[list[str]]:
    """Each `python manage.py reco_…` with its arguments."""
    for page in PAGES:
        for line in re.findall(r"python manage\.py (reco_\w+[^\n`]*)", page.read_text()):
            yield shlex.split(line, comments=True)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_compiles_and_imports_what_exists(code):
    if code.startswith("# urls.py\npath("):
        code = f"[{code}]"
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("reco_plugin"):
            module = _imported(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("reco_plugin"):
            raise
        pytest.skip(f"the extra with {error.name} is not installed")


@pytest.mark.parametrize("code", blocks("django"))
def test_templates_compile(code):
    if "{% load reco %}" not in code:
        code = "{% load reco %}" + code
    Template(code)


def test_settings_that_are_named_exist():
    known = {setting.name for setting in conf.documented()}
    harness = {"RECO_TEST_DATABASE_URL", "RECO_TEST_NAME"}
    assert words(r"\b(RECO_[A-Z_]+[A-Z])\b") - known - harness == set()


def test_settings_given_are_sound(settings):
    for page in PAGES:
        for language, code in FENCE.findall(page.read_text()):
            if language != "python":
                continue
            for name, value in _constants(code):
                setattr(settings, name, value)
    assert checks.setting_values() == []
    assert EventWeights.from_settings().above_cap() == ()


def _constants(code: str) -> Iterator[tuple[str, Any]]:
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name.startswith("RECO_") and name not in ("RECO_PRODUCT_MODEL",):
                with contextlib.suppress(ValueError):  # an expression such as BASE_DIR / ".reco"
                    yield name, ast.literal_eval(node.value)


def test_commands_that_are_named_exist():
    known = {name for name, app in get_commands().items() if app == "reco_plugin"}
    assert words(r"\b(reco_(?:sync|train|runs|backfill|erase)\w*)\b") <= known
    told = set(re.findall(r"\{command\} (\w+)", (ROOT / "docs/reference/commands.md").read_text()))
    assert told == known


@pytest.mark.parametrize("line", list(commands()), ids=" ".join)
def test_commands_take_the_options_they_are_shown_with(line):
    name, *arguments = line
    load_command_class("reco_plugin", name).create_parser("manage.py", name).parse_args(arguments)


def test_check_ids_that_are_named_exist():
    assert words(r"\b(reco\.[EIW]\d{3})\b") <= set(re.findall(r"reco\.[EIW]\d{3}", checks.__doc__))


def test_every_signal_is_described_with_what_it_is_received_with():
    page = (ROOT / "docs/reference/signals.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", page, re.MULTILINE))
    declared = re.findall(r"^\* `(\w+)\(sender, (.*?)\)`", str(signals.__doc__), re.MULTILINE)
    assert told == dict(declared)


def test_kinds_of_events_are_those_there_are():
    named = words(r"`((?:view|add|remove|rate|dismiss)_\w+|select_item)`")
    assert named <= {kind.ga4 for kind in EventKind}


def test_recommend_is_described_with_its_parameters():
    page = (ROOT / "docs/reference/python.md").read_text()
    told = re.search(r"`recommend\((.*?)\)`", page)
    assert told is not None
    signature = ast.parse(f"def f({told[1]}): ...").body[0]
    assert isinstance(signature, ast.FunctionDef)
    names = [argument.arg for argument in (*signature.args.args, *signature.args.kwonlyargs)]
    assert names == list(inspect.signature(recommend).parameters)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(#[^)]*)?\)", page.read_text()):
        found = page.parent / target if target else page
        assert found.exists(), target
        if anchor:
            slugs = {_slug(title) for title in re.findall(r"^#+ (.*)$", found.read_text(), re.M)}
            assert anchor[1:] in slugs, anchor


def _slug(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/index.md").read_text()
    pages = {str(path.relative_to(ROOT / "docs").with_suffix("")) for path in PAGES[:-4]}
    assert pages - {"index"} == set(re.findall(r"^(\w[\w-]*/[\w-]+)$", index, re.MULTILINE))


# --- the tutorial's shop -------------------------------------------------------------------------


@pytest.fixture
def shop(monkeypatch):
    """The tutorial's models and its Catalog and OrderMapping, as copied."""
    code = {
        code.partition("\n")[0].split()[1]: code
        for language, code in FENCE.findall(TUTORIAL.read_text())
        if language == "python"
    }
    with isolate_apps("testapp"):
        namespace: dict[str, Any] = {"__name__": "testapp.tutorial"}
        buyer = "class Customer(models.Model): ...\n\n"
        models_py = code["shop/models.py"].replace("settings.AUTH_USER_MODEL", '"Customer"')
        exec("from django.db import models\n" + buyer + models_py, namespace)
        exec(code["shop/reco.py"], namespace)
        known = {
            f"shop.{value.__name__}": value
            for value in namespace.values()
            if isinstance(value, type) and issubclass(value, models.Model)
        }
        real = apps.get_model
        monkeypatch.setattr(apps, "get_model", lambda label: known.get(label) or real(label))
        yield namespace


@pytest.fixture
def in_force(shop, settings, monkeypatch):
    """… named in the settings, as the tutorial says."""
    settings.RECO_PRODUCT_MODEL = "shop.Product"
    for name in ("ShopCatalog", "ShopOrders"):
        monkeypatch.setattr(f"testapp.reco.{name}", shop[name], raising=False)
    settings.RECO_CATALOG = "testapp.reco.ShopCatalog"
    settings.RECO_ORDERS = "testapp.reco.ShopOrders"
    yield shop
    backends._instance.cache_clear()


def test_the_tutorials_shop_passes_the_checks(in_force):
    assert [*checks.catalog(), *checks.orders(), *checks.eligible()] == []
    assert in_force["ShopOrders"]().problems() == []


def test_the_tutorials_catalogue_reads_its_products(in_force):
    garden = in_force["Category"](pk=1, name="Garden")
    tools = in_force["Category"](pk=2, name="Tools", parent=garden)
    rake = in_force["Product"](
        pk=3, name="Rake", maker="Acme", category=tools, price="9.50", stock=1
    )
    item = in_force["ShopCatalog"]().item(rake)
    assert (item.title, item.brand, item.price) == ("Rake", "Acme", 9.5)
    assert item.categories == ("Garden > Tools",)


def test_the_tutorials_products_need_no_catalogue(shop, settings):
    settings.RECO_PRODUCT_MODEL = "shop.Product"
    where = str(Catalog().eligible(shop["Product"]._default_manager.all(), None).query)
    assert "is_active" in where
    assert '"stock" > 0' in where


def test_the_tutorials_orders_are_found_when_handed_over(in_force):
    orders: OrderMapping = in_force["ShopOrders"]()
    assert orders.order_reference(in_force["Order"](pk=1, number="A7")) == "A7"


# --- templates -----------------------------------------------------------------------------------


def test_the_context_of_a_template_is_what_the_page_says():
    from reco_plugin.serving.tiles import Tile

    page = (ROOT / "docs/howto/place-and-style.md").read_text()
    named = set(re.findall(r"`tile\.(\w+)`", page))
    assert named == set(Tile.__dataclass_fields__)


def test_a_client_like_the_one_shown_is_a_person():
    from reco_plugin.capture import is_bot

    page = (ROOT / "docs/howto/test-your-shop.md").read_text()
    agent = re.search(r'"user-agent": "([^"]+)"', page)
    assert agent is not None
    assert not is_bot(RequestFactory().get("/", headers={"user-agent": agent[1]}))
    assert is_bot(RequestFactory().get("/"))
