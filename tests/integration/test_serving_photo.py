"""Search by photo: live products that look like it, and an honest word where there is no answer."""

from __future__ import annotations

import logging
import uuid

import numpy as np
import photoshop as ps
import pytest
import servingshop as ss
from django.db import connection, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testapp.models import StockRecord

from reco_plugin import conf
from reco_plugin.models import ActiveRun, Impression
from reco_plugin.serving import photo as photos
from reco_plugin.serving import photo_encoder, pointers, refusals, search_by_photo
from reco_plugin.serving.reasons import sentence
from reco_plugin.types import EventKind, Rung

pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
pytestmark = pytest.mark.django_db

COUNT = 20
RED, GREEN = (250, 5), (5, 250)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    yield ps.encoders(tmp_path_factory.mktemp("encoders"))
    photo_encoder.forget()


@pytest.fixture(autouse=True)
def _encoders(folder, monkeypatch, settings):
    with ps.search_by_photo(folder, settings, monkeypatch):
        yield


@pytest.fixture
def shop(folder) -> ss.Shop:
    made = ss.Shop(products=ss.products(COUNT))
    ps.publish(made, ps.encoder_run(folder))
    return made


def search(colours=RED, **options):
    return search_by_photo(ps.photo(*colours), **options)


# --- what comes back ------------------------------------------------------------------------------


def test_the_likest_first_each_with_a_true_reason(shop):
    slate = search(RED, limit=4)
    assert shop.numbers(slate) == [0, 1, 2, 3]
    assert shop.numbers(search(GREEN, limit=3)) == [19, 18, 17]
    assert slate.kind == slate.placement == "photo"
    assert slate.rung is Rung.CONTEXTUAL
    assert slate.run == ActiveRun.objects.get(kind="visual").run_id
    assert [item.source for item in slate] == ["photo"] * 4
    assert sentence(slate.items[0]) == "Looks like your photo"
    assert slate.items[0].score >= slate.items[-1].score > 0.9
    assert refusals.refusal(slate) is None
    assert set(slate.timings) == {"encode", "photo"}


def test_the_photo_is_seen_as_the_products_of_the_run_were(shop, folder):
    ps.publish(shop, ps.encoder_run(folder), whitened=True)
    pointers.forget()
    assert shop.numbers(search(RED, limit=3)) == [19, 18, 17]


def test_what_is_in_the_cart_or_was_bought_stays_in(shop, settings):
    settings.RECO_CART = "servingcart.keys"
    request = ss.request()
    request.cart = [shop.products[2].pk]
    shop.did(EventKind.PURCHASE, shop.products[0])
    shop.did(EventKind.DISMISS_ITEM, shop.products[1])
    assert shop.numbers(search(RED, limit=3, request=request)) == [0, 1, 2]


def test_only_what_may_be_shown_right_now(shop):
    shop.products[0].hidden = True
    shop.products[0].save()
    StockRecord.objects.filter(product=shop.products[2]).update(count=0)
    assert shop.numbers(search(RED, limit=3)) == [1, 3, 4]


def test_variants_are_one_tile(shop):
    for number in (1, 2, 3):
        shop.products[number].canonical = shop.products[0]
        shop.products[number].save()
    assert shop.numbers(search(RED, limit=3)) == [0, 4, 5]


def test_the_slate_is_full_when_there_is_enough(shop):
    """The index gives those that look most alike; hardly any of them may be shown."""
    type(shop.products[0]).objects.filter(
        pk__in=[product.pk for product in shop.products[:16]]
    ).update(hidden=True)
    assert shop.numbers(search(RED, limit=3)) == [16, 17, 18]
    assert len(search(RED, limit=50)) == 4


def test_of_a_category_or_of_a_kind_only(shop):
    for number, product in enumerate(shop.products):
        ss.item(
            product,
            categories=[["Women > Shoes", "Women > Shoes > Böots", "Men > Shoes"][number % 3]],
            brand="Acme" if number < 10 else "Best",
            attributes={"colour": "Red" if number % 2 else "Blue", "odd__name": "x"},
        )
    shoes = [number for number in range(COUNT) if number % 3 != 2]
    assert shop.numbers(search(limit=50, category="Women > Shoes")) == shoes
    assert shop.numbers(search(limit=2, category="Women > Shoes > Böots")) == [1, 4]
    assert shop.numbers(search(limit=2, category="Women > Sho")) == []
    assert shop.numbers(search(limit=3, match={"colour": "Red"})) == [1, 3, 5]
    assert shop.numbers(search(limit=2, match={"brand": "Best", "colour": "Red"})) == [11, 13]
    assert len(search(limit=2, match={"odd__name": "x"})) == 2
    for odd in ({"": "x"}, {"a'b": "x"}, {"brand": ""}, {"colour__gt": "A"}):
        assert len(search(limit=2, match=odd)) == 0


@pytest.mark.parametrize("limit", [0, 1, COUNT, 1_000])
def test_as_many_as_asked_and_not_more_than_there_are(shop, limit):
    assert len(search(limit=limit)) == min(limit, COUNT)


def test_the_size_of_a_slate_is_that_of_all_slates(shop, settings):
    settings.RECO_LIMIT = 6
    assert len(search()) == 6


# --- why there is no answer -----------------------------------------------------------------------


def code(slate) -> str:
    assert not slate
    found = refusals.refusal(slate)
    assert str(found.sentence)
    return found.code


@pytest.mark.parametrize(
    ("data", "expected", "status"),
    [
        (b"", "empty", 400),
        (b"just words", "format", 400),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format", 400),
        (b"\xff\xd8\xff\xe0" + bytes(100), "truncated", 400),
        (b"x" * 2_000_000, "too_large", 413),
    ],
)
def test_a_photo_that_is_none(shop, settings, data, expected, status):
    settings.RECO_PHOTO_MAX_BYTES = 1_000_000
    slate = search_by_photo(data)
    assert code(slate) == expected
    assert refusals.refusal(slate).status == status


def test_a_photo_that_is_cut_short_or_too_small(shop):
    whole = ps.photo(*RED, kind="JPEG", size=(400, 400))
    assert code(search_by_photo(whole[: len(whole) // 2])) == "truncated"
    assert code(search_by_photo(ps.photo(*RED, size=(1, 1)))) == "too_small"


def test_a_photo_with_too_many_pixels(shop, settings):
    settings.RECO_IMAGE_MAX_PIXELS = 10_000
    assert code(search_by_photo(ps.photo(*RED, size=(200, 200)))) == "bomb"


def test_switched_off(shop, settings):
    settings.RECO_PHOTO_SEARCH = False
    assert code(search()) == "off"
    settings.RECO_PHOTO_SEARCH = True
    settings.RECO_DISABLED_PLACEMENTS = ["photo"]
    assert code(search()) == "off"


def test_without_a_visual_run(shop):
    ActiveRun.objects.filter(kind="visual").delete()
    assert code(search()) == "absent"


def test_without_an_onnx_file_of_its_encoder(shop):
    run = ActiveRun.objects.get(kind="encoder").run
    run.config = {}
    run.save()
    slate = search()
    assert code(slate) == "absent"
    assert "fine_tune" in slate.notes[0]


def test_the_file_is_not_on_this_machine(shop, tmp_path, settings):
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    assert code(search()) == "absent"


def test_an_encoder_that_is_late_is_busy_and_the_next_one_answers(shop, folder, settings):
    assert search(limit=1)
    ps.publish(shop, ps.encoder_run(folder, "late"))
    pointers.forget()
    assert code(search_by_photo(b"warm")) == "format"
    settings.RECO_PHOTO_TIMEOUT_MS = 300
    service = next(iter(photo_encoder._services.values()))
    service.start()
    assert code(search()) == "busy"
    settings.RECO_PHOTO_TIMEOUT_MS = 20_000
    ps.publish(shop, ps.encoder_run(folder))
    pointers.forget()
    assert len(search(limit=1)) == 1


def test_an_encoder_that_dies_is_absent(shop, folder):
    ps.publish(shop, ps.encoder_run(folder, "dies"))
    pointers.forget()
    assert code(search()) == "absent"


def test_a_database_that_is_slow_is_said_to_be_absent(shop, settings, monkeypatch):
    from django.db import OperationalError

    def slow(*_, **__):
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(type(photos.backends.store()), "nearest", slow)
    assert code(search()) == "absent"


def test_it_never_raises(shop, settings, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(photo_encoder, "eye", broken)
    assert search().notes == ("error: RuntimeError",)
    settings.RECO_DEBUG_RAISE = True
    with pytest.raises(RuntimeError):
        search()


# --- what it costs, and what it leaves ------------------------------------------------------------


def test_a_new_run_is_picked_up_with_its_encoder(shop, folder):
    search(limit=1)
    before = next(iter(photo_encoder._services.values()))
    ps.publish(shop, ps.encoder_run(folder, "another"), {0: 1.5, 5: 0.0})
    pointers.forget()
    assert shop.numbers(search(RED, limit=1)) == [5]
    (after,) = photo_encoder._services.values()
    assert after is not before
    assert before.pid is None


def test_a_few_statements_and_one_process(shop):
    search(limit=4)
    pid = next(iter(photo_encoder._services.values())).pid
    with CaptureQueriesContext(connection) as captured:
        search(limit=4)
    reads = [query["sql"] for query in captured if " FROM " in query["sql"]]
    assert len(reads) <= 2, reads
    assert next(iter(photo_encoder._services.values())).pid == pid


def test_the_shops_transaction_is_left_usable(shop):
    with transaction.atomic():
        assert len(search(limit=3)) == 3
        assert search_by_photo(b"none").notes
        assert StockRecord.objects.count() == COUNT


def test_impressions_of_people_and_not_of_robots(shop):
    search(limit=3, request=ss.request())
    search(limit=2, request=ss.request(), record=False)
    robot = RequestFactory().get("/", HTTP_USER_AGENT="Googlebot/2.1")
    search(limit=3, request=robot)
    assert Impression.objects.filter(placement="photo").count() == 3


def test_nothing_of_the_photo_is_logged_or_left(shop, folder, caplog):
    data = ps.photo(*RED) + b"Exif of my home"
    search(limit=1)
    before = sorted(path.name for path in folder.rglob("*"))
    with caplog.at_level(logging.DEBUG):
        search_by_photo(data)
        search_by_photo(b"my home" * 10)
    assert "my home" not in caplog.text
    after = sorted(path.name for path in folder.rglob("*"))
    assert [name for name in after if name not in before] == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.binary(max_size=300),
    head=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF1234WEBP"]),
)
def test_whatever_is_sent_there_is_an_answer_or_a_reason(shop, data, head):
    slate = search_by_photo(head + data)
    assert slate or refusals.refusal(slate) is not None


def test_who_asked_is_who_it_was_shown_to(shop):
    request = ss.request()
    request.COOKIES[conf.settings.VISITOR_COOKIE] = str(visitor := uuid.uuid4())
    slate = search(limit=2, request=request)
    assert slate.shopper == visitor
    assert np.isfinite([item.score for item in slate]).all()
