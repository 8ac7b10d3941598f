from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import MagicMock

import pytest
from django.core import checks as django_checks

from reco_plugin import backends, checks
from reco_plugin.beat import BEAT_SCHEDULE
from reco_plugin.catalog import Catalog, OrderMapping
from reco_plugin.checks import database, host, pictures, placements, values
from reco_plugin.encoders import decoding, onnx, torches
from reco_plugin.exceptions import StoreError
from reco_plugin.models import Placement
from reco_plugin.stores.pgvector import requirements


def ids(messages: list[django_checks.CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def test_a_sound_project_is_silent(monkeypatch):
    monkeypatch.delitem(sys.modules, "celery", raising=False)  # another test's app
    found = django_checks.run_checks(tags=["reco"], databases=[])
    assert [message for message in found if message.id not in {"reco.W002"}] == []


@pytest.mark.parametrize("label", ["", "shop", "a.b.c"])
def test_e001_missing_or_malformed(settings, label):
    settings.RECO_PRODUCT_MODEL = label
    (message,) = checks.product_model()
    assert message.id == "reco.E001"
    assert "RECO_PRODUCT_MODEL = 'shop.Product'" in message.msg


def test_e001_misspelt(settings):
    settings.RECO_PRODUCT_MODEL = "testapp.Prodcut"
    (message,) = checks.product_model()
    assert message.id == "reco.E001"
    assert message.hint == "Did you mean 'testapp.Product'?"


def test_e001_unlike_any(settings):
    settings.RECO_PRODUCT_MODEL = "zzz.Qqq"
    (message,) = checks.product_model()
    assert "INSTALLED_APPS" in str(message.hint)


class NotACatalog:
    pass


class MisspeltCatalog(Catalog):
    title = "lable"
    brand = "canonical.maker"
    category = "shelves"
    price = "get_absolute_url"
    attributes: ClassVar[dict[str, str]] = {"size": "canonical.sizze", "season": "facts.season"}


class MisspeltOrders(OrderMapping):
    model = "testapp.Line"
    quantity = "amount"
    order = "order__nummer"
    user = "order__customer_id"
    placed_at = "order__placed"


class NoModelOrders(OrderMapping):
    model = "testapp.Lines"


HERE = "test_checks"


@pytest.fixture
def importable(monkeypatch) -> None:
    """Make this module importable by the short name that settings use."""
    import sys

    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


@pytest.mark.parametrize("path", ["nowhere.Catalog", "testapp.reco.NoCatalog", "bare"])
def test_e002_not_importable(settings, path):
    settings.RECO_CATALOG = path
    (message,) = checks.catalog()
    assert message.id == "reco.E002"
    assert path in message.msg


@pytest.mark.usefixtures("importable")
def test_e002_no_catalog(settings):
    settings.RECO_CATALOG = f"{HERE}.NotACatalog"
    (message,) = checks.catalog()
    assert message.id == "reco.E002"
    assert "is no Catalog" in message.msg


@pytest.mark.usefixtures("importable")
def test_e003_paths_that_do_not_exist(settings):
    settings.RECO_CATALOG = f"{HERE}.MisspeltCatalog"
    found = checks.catalog()
    assert ids(found) == ["reco.E003", "reco.E003"]
    assert "MisspeltCatalog.title = 'lable'" in found[0].msg
    assert found[0].hint == "Did you mean 'label'?"
    assert "sizze" in found[1].msg


class LeadsNowhere(Catalog):
    title = "zzz"
    price = "qqq"


@pytest.mark.usefixtures("importable")
def test_e003_hints_name_only_methods_that_exist(settings):
    settings.RECO_CATALOG = f"{HERE}.LeadsNowhere"
    title, price = [str(found.hint) for found in checks.catalog()]
    assert "override" not in title
    assert "label" in title
    assert "override get_price()" in price


class Raises(Catalog):
    def eligible(self, queryset, request):
        return queryset.filter(lable="x")


class NeedsARequest(Catalog):
    def eligible(self, queryset, request):
        return queryset.filter(label=request.user)


class Sliced(Catalog):
    def eligible(self, queryset, request):
        return queryset[:10]


class Listed(Catalog):
    def eligible(self, queryset, request):
        return []


class BadRelation(Catalog):
    select_related = ("nobody",)


class Nothing(Catalog):
    def eligible(self, queryset, request):
        return queryset.none()


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Raises", "lable"),
        ("NeedsARequest", "'user'"),
        ("Sliced", "slice"),
        ("Listed", "'filter'"),
        ("BadRelation", "nobody"),
    ],
)
def test_e009_eligible_that_cannot_be_used(settings, name, word):
    settings.RECO_CATALOG = f"{HERE}.{name}"
    (message,) = checks.eligible()
    assert message.id == "reco.E009"
    assert word in message.msg


@pytest.mark.usefixtures("importable")
def test_e009_nothing_eligible_is_fine(settings):
    settings.RECO_CATALOG = f"{HERE}.Nothing"
    assert checks.eligible() == []


class Typo(Catalog):
    titel = "label"
    OWN_LIST = ("label",)


class TypoOrders(OrderMapping):
    model = "testapp.Line"
    placed_at = "order__placed"
    quantity = "amount"
    user = "order__customer_id"
    curency = "order__number"


@pytest.mark.usefixtures("importable")
def test_w008_misspelt_attributes(settings):
    settings.RECO_CATALOG = f"{HERE}.Typo"
    settings.RECO_ORDERS = f"{HERE}.TypoOrders"
    (found,), (mapped,) = checks.catalog(), checks.orders()
    assert ids([found, mapped]) == ["reco.W008", "reco.W008"]
    assert found.hint == "Did you mean 'title'?"
    assert mapped.hint == "Did you mean 'currency'?"


class Nobody(OrderMapping):
    model = "testapp.Line"
    placed_at = "order__placed"
    quantity = "amount"


@pytest.mark.usefixtures("importable")
def test_w010_orders_of_nobody(settings):
    settings.RECO_ORDERS = f"{HERE}.Nobody"
    (message,) = checks.orders()
    assert message.id == "reco.W010"
    assert "order__user_id" in str(message.hint)


class NoStatus(OrderMapping):
    user = "order__customer_id"
    model = "testapp.Line"
    placed_at = "order__placed"
    quantity = "amount"
    paid = ("paid",)


@pytest.mark.usefixtures("importable")
def test_e005_statuses_without_a_status(settings):
    settings.RECO_ORDERS = f"{HERE}.NoStatus"
    (message,) = checks.orders()
    assert message.id == "reco.E005"
    assert "status is empty" in message.msg


def test_w009_tiles_that_lead_nowhere(settings):
    settings.RECO_PRODUCT_MODEL = "testapp.Category"
    settings.RECO_CATALOG = "reco_plugin.catalog.Catalog"
    (message,) = checks.catalog()
    assert message.id == "reco.W009"
    assert "override url" in str(message.hint)


def test_w007_urls_not_included(settings):
    assert checks.urls() == []
    settings.ROOT_URLCONF = "reco_plugin.urls"
    (message,) = checks.urls()
    assert message.id == "reco.W007"


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize("path", ["nowhere.Orders", f"{HERE}.NotACatalog"])
def test_e004_not_importable_or_no_mapping(settings, path):
    settings.RECO_ORDERS = path
    (message,) = checks.orders()
    assert message.id == "reco.E004"


@pytest.mark.usefixtures("importable")
def test_e005_paths_that_do_not_exist(settings):
    settings.RECO_ORDERS = f"{HERE}.MisspeltOrders"
    (message,) = checks.orders()
    assert message.id == "reco.E005"
    assert "'order__nummer'" in message.msg
    assert message.hint == "Did you mean 'number'?"


@pytest.mark.usefixtures("importable")
def test_e005_model_that_does_not_exist(settings):
    settings.RECO_ORDERS = f"{HERE}.NoModelOrders"
    (message,) = checks.orders()
    assert message.id == "reco.E005"
    assert message.hint == "Did you mean 'testapp.Line'?"


def test_no_order_mapping_is_fine(settings):
    settings.RECO_ORDERS = ""
    assert checks.orders() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RECO_LIMIT", "8"),
        ("RECO_ENABLED", 1),
        ("RECO_KEEP_RUNS", -1),
        ("RECO_STATEMENT_TIMEOUT_MS", 0),
        ("RECO_WRITE_TIMEOUT_MS", 0),
        ("RECO_PURCHASE_DURABILITY", "sometimes"),
        ("RECO_FORCE_RUNG", "lowest"),
        ("RECO_STORE", "pgvectr"),
        ("RECO_STORE", "shop.stores.Mine"),
        ("RECO_EVENT_WEIGHTS", {"buy": 3}),
        ("RECO_EVENT_WEIGHTS", {"purchase": "much"}),
        ("RECO_EVENT_WEIGHTS", {"purchase": None}),
        ("RECO_LIFTS", {"device:mobile": 1.3}),
        ("RECO_LIFTS", {"device:mobile": {"brand:Acme": 0}}),
        ("RECO_LIFTS", {"device:mobile": {"brand:Acme": "much"}}),
    ],
)
def test_e006_wrong_type_or_value(settings, name, value):
    setattr(settings, name, value)
    (message,) = checks.setting_values()
    assert message.id == "reco.E006"
    assert name in message.msg
    assert message.hint


def test_e006_wrong_type_breaks_no_other_check(settings):
    settings.RECO_CATALOG = 3
    settings.RECO_ORDERS = 4
    assert ids(django_checks.run_checks(tags=["reco"], databases=[])).count("reco.E006") == 2


@pytest.mark.parametrize("name", ["RECO_CART", "RECO_CONSENT", "RECO_CONTEXT", "RECO_SITE"])
def test_e007_hook_not_importable(settings, name):
    setattr(settings, name, "testapp.nowhere.hook")
    (message,) = checks.hooks()
    assert message.id == "reco.E007"
    assert name in message.msg


def test_e008_unknown_trainer(settings):
    settings.RECO_TRAINER = "lightfmm"
    (message,) = checks.trainer()
    assert message.id == "reco.E008"
    assert "lightfm" in message.msg


def test_e008_unknown_parameter(settings):
    settings.RECO_TRAINER_CONFIG = {"dimension": 32}
    (message,) = [found for found in checks.trainer() if found.id == "reco.E008"]
    assert "dimensions" in message.msg


def test_w001_unknown_setting(settings):
    settings.RECO_PRODUKT_MODEL = "shop.Product"
    (message,) = checks.unknown_settings()
    assert message.id == "reco.W001"
    assert message.hint == "Did you mean RECO_PRODUCT_MODEL?"


def test_w002_lightfm_not_installed(monkeypatch):
    known = importlib.util.find_spec
    monkeypatch.setattr(
        values, "find_spec", lambda name: None if name == "lightfm" else known(name)
    )
    (message,) = checks.trainer()
    assert message.id == "reco.W002"
    assert "django-reco-plugin[lightfm]" in str(message.hint)


def test_w003_middleware_missing(settings):
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "reco" not in path]
    (message,) = checks.middleware()
    assert message.id == "reco.W003"
    assert host.MIDDLEWARE in str(message.hint)


def test_w004_middleware_too_early(settings):
    settings.MIDDLEWARE = [host.MIDDLEWARE, *settings.MIDDLEWARE[:-1]]
    assert ids(checks.middleware()) == ["reco.W004", "reco.W004"]


def test_a_subclass_of_the_middleware_counts(settings, monkeypatch):
    from reco_plugin.middleware import RecoMiddleware

    class Ours(RecoMiddleware):
        pass

    monkeypatch.setattr("testapp.reco.Ours", Ours, raising=False)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:-1], "testapp.reco.Ours"]
    assert checks.middleware() == []


class FakeStore:
    name = "fake"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def check(self) -> list[str]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return list(self.answer)


@pytest.mark.parametrize("answer", [["no vector extension"], StoreError("no vector extension")])
def test_w005_store_in_the_way(monkeypatch, answer):
    monkeypatch.setattr(backends, "store", lambda name="": FakeStore(answer))
    (message,) = checks.store(databases=["default"])
    assert message.id == "reco.W005"
    assert "no vector extension" in message.msg


def test_w005_tells_what_works_but_should_be_better(monkeypatch):
    fake = FakeStore([])
    fake.advice = lambda: ["pgvector 0.8.1 has known faults"]
    monkeypatch.setattr(backends, "store", lambda name="": fake)
    (message,) = checks.store(databases=["default"])
    assert "known faults" in message.msg


def test_w005_is_silent_unless_the_database_is_asked_for(monkeypatch):
    monkeypatch.setattr(backends, "store", lambda name="": FakeStore(["bad"]))
    assert checks.store(databases=None) == []
    assert checks.store(databases=["other"]) == []
    assert django_checks.Tags.database in checks.store.tags


def test_w006_artefacts_inside_media(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    settings.RECO_ARTEFACT_DIR = str(tmp_path / "reco")
    (message,) = checks.artefact_folder()
    assert message.id == "reco.W006"
    settings.RECO_ARTEFACT_DIR = str(tmp_path.parent / "elsewhere")
    assert checks.artefact_folder() == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"trian": 60}, "'trian'"),
        ({"train": "daily"}, "'daily'"),
        ({"train": -1}, "-1"),
        ({"train": float("nan")}, "nan"),
        ({"train": True}, "True"),
    ],
)
@pytest.mark.parametrize("name", ["RECO_INTERVALS", "RECO_TIME_LIMITS"])
def test_e010_schedule(settings, name, values, words):
    setattr(settings, name, values)
    (message,) = checks.schedule()
    assert message.id == "reco.E010"
    assert name in message.msg
    assert words in message.msg
    assert "trian" not in values or message.hint == "Did you mean 'train'?"
    setattr(settings, name, {"train": 0, "prune": 3600.5})
    assert checks.schedule() == []


def found_extension(**answers: Any) -> requirements.Found:
    sound = {
        "version": "0.8.5",
        "extension_schema": "public",
        "reachable": True,
        "available": "0.8.5",
        "installable": True,
        "schema": "public",
        "may_create": True,
        "role": "shop",
        "database": "shop",
        "read_only": False,
    }
    return requirements.Found(**(sound | answers))


@pytest.fixture
def server(monkeypatch):
    """A PostgreSQL that answers as the test says."""

    def answers(**told: Any) -> None:
        monkeypatch.setattr(requirements, "ask", lambda database: found_extension(**told))

    monkeypatch.setattr(database, "_may_ask", lambda databases: "default" in databases)
    return answers


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"version": None, "installable": False}, "CREATE EXTENSION vector;"),
        ({"version": None, "available": None}, "has no pgvector"),
        ({"version": "0.7.4"}, "ALTER EXTENSION vector UPDATE;"),
        ({"may_create": False}, 'GRANT CREATE ON SCHEMA "public" TO "shop";'),
    ],
)
def test_w011_auto_fell_back(settings, server, told, words):
    server(**told)
    (message,) = checks.extension(databases=["default"])
    assert message.id == "reco.W011"
    assert "fell back to numpy" in message.msg
    assert words in message.msg
    settings.RECO_STORE = "numpy"
    assert checks.extension(databases=["default"]) == []


def test_w011_r18_the_extension_is_not_allowed_gives_the_sql_for_a_dba(server):
    server(version=None, installable=False)
    (message,) = checks.extension(databases=["default"])
    assert "Ask a DBA to run there: CREATE EXTENSION vector;" in message.msg
    assert checks.extension(databases=[]) == []


def test_w012_pgvector_with_known_faults(server):
    server(version="0.8.2")
    (message,) = checks.extension(databases=["default"])
    assert message.id == "reco.W012"
    assert "0.8.2" in message.msg
    assert "ALTER EXTENSION vector UPDATE;" in str(message.hint)
    server()
    assert checks.extension(databases=["default"]) == []


@pytest.mark.parametrize(("major", "ids_"), [(14, ["reco.W013"]), (15, []), (18, [])])
def test_w013_postgresql_too_old(monkeypatch, server, major, ids_):
    cursor = MagicMock()
    cursor.__enter__.return_value.fetchone.return_value = (major,)
    connection = MagicMock(vendor="postgresql")
    connection.cursor.return_value = cursor
    monkeypatch.setattr(database, "connections", {"default": connection})
    assert ids(checks.postgresql(databases=["default"])) == ids_
    assert checks.postgresql(databases=[]) == []


def celery_of(monkeypatch, **conf: Any) -> Any:
    """A process that has loaded a Celery app."""
    sound = {"beat_schedule": {}, "include": (), "imports": ()}
    app = SimpleNamespace(main="shop", conf=SimpleNamespace(**(sound | conf)))
    monkeypatch.setitem(sys.modules, "celery", SimpleNamespace(current_app=app))
    return app


@pytest.fixture
def without_celery(monkeypatch):
    monkeypatch.delitem(sys.modules, "celery", raising=False)
    monkeypatch.delitem(sys.modules, "celery.signals", raising=False)
    monkeypatch.delitem(sys.modules, "reco_plugin.tasks", raising=False)


@pytest.mark.usefixtures("without_celery")
def test_w014_beat_starts_nothing(settings):
    assert checks.celery_beat() == []
    settings.CELERY_BROKER_URL = "redis://localhost"
    (message,) = checks.celery_beat()
    assert message.id == "reco.W014"
    settings.CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
    assert checks.celery_beat() == []


@pytest.mark.usefixtures("without_celery")
def test_w014_the_apps_own_schedule_counts(settings, monkeypatch):
    celery_of(monkeypatch, beat_schedule={"tick": {"task": "reco.tick", "schedule": 30}})
    assert checks.celery_beat() == []
    celery_of(monkeypatch, beat_schedule={"mail": {"task": "shop.mail", "schedule": 30}})
    assert ids(checks.celery_beat()) == ["reco.W014"]
    settings.CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
    assert checks.celery_beat() == []


@pytest.mark.usefixtures("without_celery")
def test_w015_tasks_are_not_looked_for(monkeypatch):
    assert checks.celery_tasks() == []
    celery_of(monkeypatch)
    assert ids(checks.celery_tasks()) == ["reco.W015"]
    celery_of(monkeypatch, include=["reco_plugin.tasks"])
    assert checks.celery_tasks() == []


@pytest.mark.parametrize("name", ["locmem.LocMemCache", "dummy.DummyCache"])
def test_w016_a_cache_of_one_process(settings, name):
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{name}"}}
    assert ids(checks.shared_cache()) == ["reco.W016"]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}
    assert checks.shared_cache() == []


def test_w017_a_relative_folder(settings, tmp_path):
    assert ids(checks.absolute_folder()) == ["reco.W017"]
    settings.RECO_ARTEFACT_DIR = tmp_path
    assert checks.absolute_folder() == []


def test_w016_and_w017_are_asked_only_before_a_deployment():
    usual = django_checks.run_checks(tags=["reco"], databases=[])
    deployed = django_checks.run_checks(tags=["reco"], databases=[], include_deployment_checks=True)
    assert {"reco.W016", "reco.W017"} <= set(ids(deployed)) - set(ids(usual))


def test_w018_templates_without_the_request(settings):
    assert checks.templates() == []
    settings.TEMPLATES = [{"BACKEND": host.DJANGO_TEMPLATES, "OPTIONS": {"context_processors": []}}]
    assert ids(checks.templates()) == ["reco.W018"]
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.jinja2.Jinja2"}]
    assert checks.templates() == []


def test_w019_a_placement_that_cannot_be_used(monkeypatch):
    rows = [
        Placement(slug="shelf", kinds=["similar"]),
        Placement(slug="product_similar", kinds=[{"kind": "simlar"}]),
        Placement(slug="attic", kinds="similar", site=2),
    ]
    monkeypatch.setattr(placements.Placement, "objects", SimpleNamespace(using=lambda name: rows))
    ours, own = checks.usable_placements(databases=["default"])
    assert ids([ours, own]) == ["reco.W019", "reco.W019"]
    assert "did you mean 'similar'" in ours.msg
    assert "the one that comes with the app is shown" in ours.msg
    assert "'attic' of site 2 cannot be used, and nothing is shown: kinds has 'similar'" in own.msg
    assert "reco_placements import" in str(own.hint)
    assert checks.usable_placements(databases=[]) == []


# --- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("RECO_ENCODER", "resnet19", "Did you mean 'resnet18'"),
        ("RECO_ENCODER", "nowhere.Kind", "no module 'nowhere'"),
        ("RECO_ENCODER", "testapp.models.Product", "testapp.models.Product"),
        ("RECO_ENCODER_CONFIG", {"sise": 64}, "sise"),
        ("RECO_ENCODER_DEVICE", "toaster", "toaster"),
    ],
)
def test_e011_encoder(settings, setting, value, words):
    setattr(settings, setting, value)
    (message,) = checks.encoder()
    assert message.id == "reco.E011"
    assert words in message.msg


def test_e011_without_an_encoder_nothing_is_asked(settings):
    settings.RECO_ENCODER, settings.RECO_ENCODER_DEVICE = "", "toaster"
    assert checks.encoder() == []


def test_e012_a_sum_that_is_none_or_is_missing(settings, tmp_path):
    settings.RECO_ENCODER_SHA256 = "12ab"
    assert ids(checks.start_weights()) == ["reco.E012"]
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"")
    settings.RECO_ENCODER_WEIGHTS, settings.RECO_ENCODER_SHA256 = str(weights), ""
    (message,) = checks.start_weights()
    assert message.id == "reco.E012"
    assert "RECO_ENCODER_SHA256" in message.msg
    settings.RECO_ENCODER_SHA256 = "0" * 64
    assert checks.start_weights() == []


def test_w021_a_file_of_weights_that_is_not_there(settings, tmp_path):
    settings.RECO_ENCODER_WEIGHTS = str(tmp_path / "weights.npz")
    (message,) = checks.start_weights()
    assert message.id == "reco.W021"
    assert "weights.npz" in message.msg


@pytest.mark.parametrize(
    "host",
    ["https://pictures.example", "*.example.com", "127.0.0.1", "localhost", "a b.example",
     "pictures.example:https", ""],
)  # fmt: skip
def test_e013_hosts_that_are_none(settings, host):
    settings.RECO_IMAGE_HOSTS = ["pictures.example.com", "other.example:8443", host]
    (message,) = checks.picture_settings()
    assert message.id == "reco.E013"
    assert repr(host) in message.msg


def test_e013_formats_that_pillow_cannot_open(settings):
    pytest.importorskip("PIL")
    settings.RECO_IMAGE_FORMATS = ["JPEG", "HOLOGRAM"]
    (message,) = checks.picture_settings()
    assert message.id == "reco.E013"
    assert "HOLOGRAM" in message.msg
    settings.RECO_IMAGE_FORMATS = []
    assert ids(checks.picture_settings()) == ["reco.E013"]


class WithPictures(Catalog):
    image = "label"


def test_i001_pictures_that_nothing_looks_at(settings, monkeypatch):
    monkeypatch.setattr(decoding, "is_installed", lambda: False)
    monkeypatch.setattr(torches, "is_installed", lambda: False)
    assert checks.images_extra() == []  # this shop has no pictures
    monkeypatch.setattr(backends, "catalog", WithPictures)
    (message,) = checks.images_extra()
    assert message.id == "reco.I001"
    assert "Pillow and torchvision" in message.msg
    assert "[images]" in str(message.hint)
    monkeypatch.setattr(decoding, "is_installed", lambda: True)
    assert "torchvision" in checks.images_extra()[0].msg
    settings.RECO_ENCODER = ""
    assert checks.images_extra() == []


def test_w022_photos_that_nobody_answers(settings, monkeypatch):
    assert checks.photo_search() == []
    settings.RECO_PHOTO_SEARCH = True
    monkeypatch.setattr(onnx, "is_installed", lambda: False)
    (message,) = checks.photo_search()
    assert message.id == "reco.W022"
    assert "onnxruntime" in message.msg
    settings.RECO_ENCODER = ""
    (message,) = checks.photo_search()
    assert "RECO_ENCODER is empty" in message.msg


def test_w023_and_the_runs_are_asked_for_with_the_database_only(monkeypatch):
    for model in (pictures.Picture, pictures.Run):
        monkeypatch.setattr(model, "objects", None)
    assert checks.quarantined_pictures(databases=[]) == []
    assert checks.encoder_runs(databases=[]) == []


def test_every_id_is_documented_and_tested():
    import re
    from pathlib import Path

    sources = Path(str(checks.__file__)).parent.glob("*.py")
    source = "".join(path.read_text() for path in sources)
    raised = set(re.findall(r'id="(reco\.\w+)"|"(reco\.E\d+)"\)', source))
    told = set(re.findall(r"\| (reco\.\w+) \|", str(checks.__doc__)))
    assert {name for pair in raised for name in pair if name} == told
    tests = Path(__file__).read_text()
    for name in told:
        assert f"def test_{name.removeprefix('reco.').lower()}" in tests
