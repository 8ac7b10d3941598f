"""Every setting, its type, its default and one line of doc. Read live, nothing is cached."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from django.conf import Settings as PlainSettings
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

PREFIX = "RECO_"
T = TypeVar("T")


_held_of = object.__getattribute__
"""Past LazyObject's own, which is a Python function: settings are asked for dozens of times in a request."""


class Setting(Generic[T]):
    """One `RECO_*` setting: a descriptor that reads django.conf.settings at every access.

    Raises ImproperlyConfigured when the value has the wrong type.
    """

    def __init__(self, kind: type | tuple[type, ...], default: T, doc: str) -> None:
        self.kind = kind if isinstance(kind, tuple) else (kind,)
        self.default = default
        self.doc = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = PREFIX + name

    def __get__(self, instance: object, owner: type | None = None) -> T:
        # Most settings are not set, and Django would raise and catch an error for each of them.
        held = _held_of(django_settings, "_wrapped")
        if type(held) is PlainSettings:
            value = held.__dict__.get(self.name, self.default)
        else:
            value = getattr(django_settings, self.name, self.default)
        if value is not self.default and not self._accepts(value):
            raise self._refusal(value)
        return value  # type: ignore[no-any-return]

    def _refusal(self, value: object) -> ImproperlyConfigured:
        expected = " or ".join(kind.__name__ for kind in self.kind)
        return ImproperlyConfigured(
            f"{self.name} must be {expected}, not {type(value).__name__} ({value!r})."
        )

    def _accepts(self, value: object) -> bool:
        if isinstance(value, bool):
            return bool in self.kind
        if isinstance(value, int) and float in self.kind:
            return True
        return isinstance(value, self.kind)


class Settings:
    """The settings in force. `conf.settings.LIMIT` reads `RECO_LIMIT` or its default."""

    # --- the shop ---------------------------------------------------------------------------
    PRODUCT_MODEL = Setting(str, "", "The shop's product model, 'app_label.Model'. Required.")
    PRODUCT_MIGRATION = Setting(
        str, "", "Migration of the product's app that creates the product, if not its first."
    )
    CATALOG = Setting(
        str, "reco_plugin.catalog.Catalog", "Dotted path of the shop's Catalog subclass."
    )
    ORDERS = Setting(str, "", "Dotted path of the shop's OrderMapping subclass; empty for none.")
    CART = Setting(
        str, "", "Dotted path of a callable(request) -> product keys in the cart; empty for none."
    )
    SITE: Setting[int | str] = Setting(
        (int, str), 1, "Number of this shop, or dotted path of a callable(request | None) -> int."
    )
    DATABASE = Setting(str, "default", "Alias of the database that holds the shop's products.")
    ENABLED = Setting(
        bool, True, "Master switch: off renders nothing, captures nothing, lets the jobs idle."
    )
    DISABLED_PLACEMENTS = Setting(
        (list, tuple, set, frozenset),
        cast("Sequence[str]", ()),
        "Placements that render nothing: a switch for each spot on a page.",
    )

    # --- capture ----------------------------------------------------------------------------
    CONSENT = Setting(
        str, "", "Dotted path of a callable(request) -> bool: may this shopper be recognised?"
    )
    VISITOR_COOKIE = Setting(
        str, "reco_visitor", "Name of the visitor cookie; empty uses the session."
    )
    VISITOR_COOKIE_AGE = Setting(int, 60 * 60 * 24 * 180, "Seconds the visitor cookie lives.")
    HONOUR_GPC = Setting(
        bool, True, "Treat 'Sec-GPC: 1' as a refusal: that shopper is not recognised."
    )
    TRACK_STAFF = Setting(bool, False, "Record what logged-in staff do.")
    PURCHASE_DURABILITY = Setting(
        str,
        "on_commit",
        "'on_commit', or 'transactional' to write purchases inside the shop's transaction.",
    )
    SENSITIVE_CATEGORIES = Setting(
        (list, tuple, set, frozenset),
        cast("Sequence[str]", ()),
        "Category paths (with all below them) kept out of personal and co-behaviour lists.",
    )
    ORDER_RESCAN_DAYS = Setting(
        int, 30, "Days of past orders whose status the order sync reads again."
    )

    PAGE_EVENTS = Setting(
        dict,
        cast("Mapping[str, Mapping[str, str]]", {}),
        "Events told from the names of URLs alone, for contrib.polling.PageEvents.",
    )
    WRITE_TIMEOUT_MS = Setting(
        int, 50, "Milliseconds one of our writes may take or wait for a lock in a request."
    )

    # --- learning ---------------------------------------------------------------------------
    EVENT_WEIGHTS = Setting(
        dict,
        cast("Mapping[str, float]", {}),
        "Weights per GA4 event name, laid over the defaults (view 1, cart 3, purchase 5 …).",
    )
    HALF_LIFE_DAYS = Setting(float, 90.0, "Days after which an event counts half; 0 for no decay.")
    DAILY_CAP = Setting(float, 5.0, "Most weight one shopper gives one product in one day.")
    WINDOW_DAYS = Setting(int, 0, "Days of history to learn from; 0 for all.")
    TRAINER = Setting(str, "lightfm", "Trainer of the personal run: a name or a dotted path.")
    TRAINER_CONFIG = Setting(
        dict, cast("Mapping[str, Any]", {}), "Hyper-parameters laid over the trainer's defaults."
    )
    TRAIN_THREADS = Setting(int, 2, "Threads of the training process.")
    TRAIN_TIMEOUT = Setting(int, 60 * 60 * 4, "Seconds after which a training process is ended.")
    TRAIN_MEMORY_MB = Setting(
        int, 0, "Most memory of the training process, in MiB; 0 for no limit."
    )
    ARTEFACT_DIR: Setting[str | Path] = Setting(
        (str, Path), ".reco", "Folder for datasets and artefacts of runs; never web-served."
    )
    MIN_INTERACTIONS = Setting(int, 1_000, "Fewest interactions a personal run is trained on.")
    MIN_SHOPPERS = Setting(int, 25, "Fewest shoppers with two or more interactions.")
    MIN_COVERAGE = Setting(
        float, 0.02, "Least share of the catalogue that top-10 lists must cover to be published."
    )
    MAX_TOP_SHARE = Setting(
        float, 0.9, "Largest share of top-10 lists one product may be in, to be published."
    )
    LIVE_TOLERANCE = Setting(
        float,
        0.02,
        "Share of the live run's NDCG@10 by which a new run may fall short of it, beyond chance.",
    )
    GUARD_TOLERANCE = Setting(
        float,
        0.1,
        "Share of the live run's NDCG@10 by which a new run may fall short for new shoppers or in the long tail.",
    )
    BREADTH_TOLERANCE = Setting(
        float,
        0.25,
        "Share by which a new run's lists may be narrower than the live one's: coverage, top share.",
    )
    POPULAR_DAYS = Setting(int, 30, "Days that count for 'popular'.")
    BEHAVIOUR_DAYS = Setting(
        int,
        180,
        "Days of views and purchases that 'bought together' and its like are counted from.",
    )
    BLEND = Setting(
        bool,
        True,
        "Learn from the shop's own log which source to believe, and recommend by that where it is better; "
        "False recommends by fixed weights again, at once.",
    )
    RANKER = Setting(
        str,
        "auto",
        "What the learnt blend ranks with: 'linear'; 'lambdamart', LightGBM's trees on top of it (the extra "
        "'lightgbm'); 'auto': trees where they are better on lists held out, beyond the interval.",
    )
    OBJECTIVE = Setting(
        str,
        "",
        "What the learnt blend is to win: '' for interest, by the weights of events; 'price' for revenue; or an "
        "attribute of products that is a number, such as 'margin'.",
    )
    MIN_PAIR_SHOPPERS = Setting(
        int, 3, "Distinct shoppers a pair of products needs before it may be shown (k-anonymity)."
    )
    MIN_SUPPORT = Setting(int, 3, "Orders that two products must be in together to make a rule.")
    MIN_CONFIDENCE = Setting(
        float, 0.01, "Least share of the orders with one product that the other must be in."
    )
    NEW_DAYS = Setting(int, 30, "Days a product counts as new: for 'new arrivals' and exploration.")
    KEEP_RUNS = Setting(
        int, 3, "Published runs of a kind kept for roll-back, and rejected ones to overrule."
    )

    # --- pictures ---------------------------------------------------------------------------
    ENCODER = Setting(
        str,
        "resnet18",
        "Network that looks at pictures: 'resnet18', 'resnet34', 'resnet50'; empty: none.",
    )
    ENCODER_CONFIG = Setting(
        dict,
        cast("Mapping[str, Any]", {}),
        "Size, epochs and other hyper-parameters laid over the network's defaults.",
    )
    ENCODER_WEIGHTS = Setting(
        str,
        "auto",
        "What it starts from: 'auto' (torchvision's own, else none), 'none', or the path of a file.",
    )
    ENCODER_SHA256 = Setting(str, "", "SHA-256 that a file of RECO_ENCODER_WEIGHTS must have.")
    ENCODER_DEVICE = Setting(
        str, "auto", "'auto' (a GPU where there is one), 'cpu', 'cuda', 'mps'."
    )
    SUGGEST_CONFIDENCE = Setting(
        float,
        0.8,
        "Least share of like suggestions that are right, for a fact to be suggested; above 1: none.",
    )
    IMAGE_DIMENSION = Setting(
        int, 128, "Numbers in a product's image vector, whitened down to where that helps; 0: all."
    )
    IMAGE_FORMATS = Setting(
        (list, tuple, set, frozenset),
        cast("Sequence[str]", ("JPEG", "PNG", "WEBP")),
        "Formats of pictures that are opened, by Pillow's names; all others are refused.",
    )
    IMAGE_MAX_BYTES = Setting(int, 10 * 2**20, "Bytes above which a picture is refused unread.")
    IMAGE_MAX_PIXELS = Setting(int, 40_000_000, "Pixels above which a picture is refused.")
    IMAGE_HOSTS = Setting(
        (list, tuple, set, frozenset),
        cast("Sequence[str]", ()),
        "Hosts that pictures may be fetched from by https; empty: pictures come from storages only.",
    )
    PHOTO_SEARCH = Setting(bool, False, "Let shoppers search by a photo they upload.")
    PHOTO_MAX_BYTES = Setting(int, 5 * 2**20, "Bytes above which an uploaded photo is refused.")
    PHOTO_TIMEOUT_MS = Setting(
        int, 2_000, "Milliseconds a search by photo may wait for its encoder."
    )

    # --- jobs -------------------------------------------------------------------------------
    INTERVALS = Setting(
        dict,
        cast("Mapping[str, float]", {}),
        "Seconds between two successes of a job, by name, laid over the defaults; 0: never by itself.",
    )
    TIME_LIMITS = Setting(
        dict,
        cast("Mapping[str, float]", {}),
        "Seconds after which a job, by name, is asked to end; laid over the defaults.",
    )
    HEARTBEAT_SECONDS = Setting(
        float, 15.0, "A worker that is silent for longer than this may be taken over."
    )
    SHARD_ITEMS = Setting(int, 5_000, "Products in one share of split work.")
    HELPERS = Setting(int, 4, "Other Celery workers that are asked to help when work is split.")
    QUEUE = Setting(str, "", "Celery queue of our tasks; empty for the shop's own default.")
    NEIGHBOURS = Setting(
        int, 50, "Products like each product that are worked out ahead of requests; 0 for none."
    )
    RETENTION_DAYS = Setting(int, 395, "Days interactions are kept; 0 for ever.")
    EXPOSURE_RETENTION_DAYS = Setting(int, 395, "Days impressions and clicks are kept; 0 for ever.")
    LOG_RETENTION_DAYS = Setting(int, 90, "Days of job logs and drop counts; 0 for ever.")

    # --- stores -----------------------------------------------------------------------------
    STORE = Setting(str, "auto", "'auto', 'pgvector', 'numpy', or the dotted path of a Store.")
    EXACT_ROWS = Setting(int, 50_000, "Runs up to this many vectors are scanned exactly.")
    HNSW_EF_SEARCH = Setting(int, 100, "hnsw.ef_search of a query; larger is closer to exact.")
    MIN_RECALL = Setting(
        float, 0.95, "Least recall@10 of an index against exact, probed at publish."
    )
    INDEX_WORKERS = Setting(
        int, 0, "Parallel workers of an index build; each takes a core of the database's machine."
    )
    NUMPY_CACHE_MB = Setting(
        int, 256, "MiB of vectors the numpy store keeps in each process; one run is always kept."
    )

    # --- serving ----------------------------------------------------------------------------
    LIMIT = Setting(int, 8, "Products in a slate unless asked otherwise.")
    STATEMENT_TIMEOUT_MS = Setting(int, 150, "Milliseconds one of our reads may take in a request.")
    BREAKER_FAILURES = Setting(
        int, 5, "Failures in a row after which our reads (or writes) are not tried for a while."
    )
    BREAKER_SECONDS = Setting(float, 30.0, "Seconds until one of them is tried again.")
    HISTORY = Setting(int, 30, "Most recent events a shopper's vector is folded in from.")
    EXCLUDE_PURCHASED_DAYS = Setting(
        int, 30, "Days a purchased product stays out of the shopper's lists; 0 shows it at once."
    )
    FORCE_RUNG = Setting(
        str, "", "Test switch: serve from this rung ('personal', 'popular', 'nothing' …) only."
    )
    CONTEXT = Setting(
        str, "", "Dotted path of a callable(request) -> dict of market, region …; empty for none."
    )
    SOURCES = Setting(
        dict,
        cast("Mapping[str, str]", {}),
        "Sources of your own, each a kind: {'staff_picks': 'shop.reco.StaffPicks'}.",
    )
    STEERING = Setting(
        bool, False, "Let the circumstances of a request (device, hour, market) steer the ranking."
    )
    LIFTS = Setting(
        dict,
        cast("Mapping[str, Mapping[str, float]]", {}),
        "Factors by circumstance and fact: {'device:mobile': {'category:Phones': 1.3}}.",
    )
    ROTATION_DAYS = Setting(
        int, 7, "Days of impressions that count for 'shown too often without a click'."
    )
    BASE_URL = Setting(
        str,
        "",
        "Where the shop is, 'https://shop.example', for links in e-mails; empty: django.contrib.sites.",
    )
    RECORD_IMPRESSIONS = Setting(bool, True, "Record what was shown to people.")
    DEBUG_RAISE = Setting(bool, False, "Let the template tag and receivers raise, for development.")


settings = Settings()


def documented() -> Iterator[Setting[Any]]:
    """Every setting, in order."""
    return (value for value in vars(Settings).values() if isinstance(value, Setting))


class Lent(str):
    """A value that a command set for its own process; the shop's settings do not have it."""

    __slots__ = ()


def product_model() -> str:
    """The label of the shop's product model; raises ImproperlyConfigured when it is not set."""
    label = settings.PRODUCT_MODEL
    if label.count(".") != 1:
        raise ImproperlyConfigured(
            "Set RECO_PRODUCT_MODEL to your product model, e.g. RECO_PRODUCT_MODEL = 'shop.Product'"
            + (f"; it is {label!r}." if label else "; it is not set.")
            + " To have a first setup written for you: python -m reco_plugin init shop.Product"
        )
    return label


def unknown() -> dict[str, str]:
    """RECO_* names in the shop's settings that we do not know, each with the nearest we do."""
    known = [setting.name for setting in documented()]
    found = {name for name in dir(django_settings) if name.startswith(PREFIX)} - set(known)
    return {
        name: next(iter(difflib.get_close_matches(name, known, n=1)), "") for name in sorted(found)
    }
