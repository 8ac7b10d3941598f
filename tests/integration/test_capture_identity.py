"""Who is asking: cookies, consent, login and logout, through the real handler."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace

import pytest
from django.contrib.auth import login, logout
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from testapp.models import Customer, Product

from reco_plugin.capture import drops, identify, is_recordable, shopper_id, track, write
from reco_plugin.capture.identity import SESSION_KEY, mint
from reco_plugin.capture.lifecycle import state_of
from reco_plugin.capture.merge import merge
from reco_plugin.jobs.sweep import sweep
from reco_plugin.models import Dropped, Interaction, VisitorLink
from reco_plugin.types import EventKind, ShopEvent, Shopper

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def view_product(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    track(request, "view_item", Product(pk=pk))
    return HttpResponse("seen")


def who(request: HttpRequest) -> HttpResponse:
    shopper = identify(request)
    again = identify(request)
    assert shopper == again
    return HttpResponse(f"{shopper.id},{shopper.is_new}" if shopper else "nobody")


def log_in(request: HttpRequest, pk: str) -> HttpResponse:
    login(request, Customer.objects.get(pk=pk), "django.contrib.auth.backends.ModelBackend")
    return who(request)


def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return who(request)


def recordable(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(is_recordable(request)))


urlpatterns = [
    path("view/<uuid:pk>/", view_product),
    path("in/<str:pk>/", log_in),
    path("out/", log_out),
    path("who/", who),
    path("recordable/", recordable),
]


def refuses(request: HttpRequest) -> bool:
    return "yes" in request.COOKIES.get("consent", "")


def raises(request: HttpRequest) -> bool:
    raise RuntimeError("the consent banner is broken")


@pytest.fixture
def shopper() -> Client:
    return Client(headers={"user-agent": PERSON})


@pytest.fixture
def product() -> Product:
    return Product.objects.create(label="Boot")


@pytest.fixture
def ann() -> Customer:
    return Customer.objects.create_user("ann@example.com")


@pytest.fixture
def bob() -> Customer:
    return Customer.objects.create_user("bob@example.com")


def visitor(client: Client) -> uuid.UUID:
    return uuid.UUID(client.cookies["reco_visitor"].value)


def test_a_visitor_is_new_once(shopper):
    first, second = shopper.get("/who/"), shopper.get("/who/")
    assert first.content.decode() == f"{visitor(shopper)},True"
    assert second.content.decode() == f"{visitor(shopper)},False"
    assert first.cookies["reco_visitor"]["max-age"] == 60 * 60 * 24 * 180


def test_a_user_is_the_same_everywhere_and_needs_no_cookie(shopper, ann):
    shopper.force_login(ann)
    response = shopper.get("/who/")
    assert response.content.decode() == f"{shopper_id(1, ann.pk)},False"
    assert "reco_visitor" not in response.cookies


@pytest.mark.parametrize("forged", ["", "42", "zz" * 16, "00000000-0000-0000-0000-000000000000"])
def test_a_forged_cookie_is_replaced(shopper, forged):
    shopper.cookies["reco_visitor"] = forged
    assert shopper.get("/who/").content.decode() == f"{visitor(shopper)},True"


def test_nobody_can_pose_as_a_user_by_their_computed_id(shopper, ann, product):
    shopper.cookies["reco_visitor"] = str(shopper_id(1, ann.pk))
    shopper.get(f"/view/{product.pk}/")
    assert Interaction.objects.get().shopper != shopper_id(1, ann.pk)


def test_without_a_cookie_name_the_session_keeps_the_visitor(shopper, settings, product):
    settings.RECO_VISITOR_COOKIE = ""
    first = shopper.get("/who/").content.decode()
    second = shopper.get("/who/").content.decode()
    assert first == second.replace("False", "True")
    assert "reco_visitor" not in shopper.cookies
    assert shopper.session["reco_visitor"] in first


def test_without_the_middleware_the_session_keeps_the_visitor(shopper, settings, product):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Reco" not in name]
    shopper.get(f"/view/{product.pk}/")
    shopper.get(f"/view/{product.pk}/")
    assert Interaction.objects.values("shopper").distinct().count() == 1


def test_without_consent_no_identifier_is_set_or_read(shopper, settings, product):
    drops.flush()
    settings.RECO_CONSENT = f"{__name__}.refuses"
    response = shopper.get(f"/view/{product.pk}/")
    assert shopper.get("/who/").content == b"nobody"
    assert "reco_visitor" not in response.cookies
    assert not Interaction.objects.exists()
    assert drops.pending()[1, "consent"] == 1
    shopper.cookies["consent"] = "yes"
    shopper.get(f"/view/{product.pk}/")
    assert Interaction.objects.get().shopper == visitor(shopper)
    shopper.cookies["consent"] = "no"
    assert shopper.get("/who/").cookies["reco_visitor"]["max-age"] == 0


def test_a_consent_hook_that_raises_is_a_refusal(shopper, settings):
    settings.RECO_CONSENT = f"{__name__}.raises"
    assert shopper.get("/who/").content == b"nobody"


def test_global_privacy_control_is_honoured_by_default(shopper, settings, product):
    headers = {"sec-gpc": "1"}
    assert shopper.get("/who/", headers=headers).content == b"nobody"
    shopper.get(f"/view/{product.pk}/", headers=headers)
    assert not Interaction.objects.exists()
    settings.RECO_HONOUR_GPC = False
    assert shopper.get("/who/", headers=headers).content != b"nobody"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"user-agent": GOOGLEBOT}, "bot"),
        ({"user-agent": ""}, "bot"),
        ({"user-agent": PERSON, "sec-purpose": "prefetch;prerender"}, "prefetch"),
        ({"user-agent": PERSON, "purpose": "prefetch"}, "prefetch"),
        ({"user-agent": PERSON, "x-moz": "prefetch"}, "prefetch"),
        ({"user-agent": PERSON, "x-purpose": "preview"}, "prefetch"),
    ],
)
def test_machines_are_dropped_and_counted(product, headers, reason):
    drops.flush()
    client = Client()
    client.get(f"/view/{product.pk}/", headers=headers)
    assert client.get("/recordable/", headers=headers).content == b"False"
    assert not Interaction.objects.exists()
    assert drops.pending() == {(1, reason): 1}
    assert drops.flush() == 1
    assert Dropped.objects.latest("pk").count == 1


def test_bots_get_no_cookie():
    client = Client(headers={"user-agent": GOOGLEBOT})
    assert "reco_visitor" not in client.get("/who/").cookies


def test_head_requests_are_dropped(shopper, product):
    shopper.head(f"/view/{product.pk}/")
    assert not Interaction.objects.exists()


def test_staff_are_left_out_by_setting(shopper, ann, settings, product):
    ann.is_staff = True
    ann.save()
    shopper.force_login(ann)
    shopper.get(f"/view/{product.pk}/")
    assert not Interaction.objects.exists()
    settings.RECO_TRACK_STAFF = True
    shopper.get(f"/view/{product.pk}/")
    assert Interaction.objects.get().user_id == ann.pk


def test_a_guests_history_becomes_the_users_at_login(shopper, ann, product):
    shopper.get(f"/view/{product.pk}/")
    guest = visitor(shopper)
    assert shopper.get(f"/in/{ann.pk}/").content.decode().startswith(str(shopper_id(1, ann.pk)))
    event = Interaction.objects.get()
    assert (event.shopper, event.user_id) == (shopper_id(1, ann.pk), ann.pk)
    assert VisitorLink.objects.get(visitor=guest).shopper == shopper_id(1, ann.pk)


def test_late_events_of_a_guest_reach_the_user(shopper, ann, product):
    shopper.get(f"/view/{product.pk}/")
    guest = visitor(shopper)
    shopper.get(f"/in/{ann.pk}/")
    write([_view(guest, product)])
    assert set(Interaction.objects.values_list("shopper", flat=True)) == {shopper_id(1, ann.pk)}


def test_one_browser_may_belong_to_a_user_of_each_site(ann, bob, product):
    """Two shops on one domain share the cookie; each has its own customers."""
    guest = uuid.uuid4()
    write([_view(guest, product), replace(_view(guest, product), site=2)])
    assert merge(guest, 1, ann.pk) == merge(guest, 2, bob.pk) == 1
    assert merge(guest, 1, bob.pk) is None
    found = dict(Interaction.objects.values_list("site", "shopper"))
    assert found == {1: shopper_id(1, ann.pk), 2: shopper_id(2, bob.pk)}


def test_events_that_slip_in_during_the_merge_are_swept(ann, product):
    guest = uuid.uuid4()
    write([_view(guest, product)])
    VisitorLink.objects.create(visitor=guest, shopper=shopper_id(1, ann.pk))
    assert sweep().merged == 1
    assert Interaction.objects.get().shopper == shopper_id(1, ann.pk)
    assert sweep().merged == 0


def test_the_visitor_id_rotates_at_logout(shopper, ann, bob, product):
    shopper.get(f"/view/{product.pk}/")
    before = visitor(shopper)
    shopper.get(f"/in/{ann.pk}/")
    assert shopper.get("/out/").content.decode() == f"{visitor(shopper)},True"
    assert visitor(shopper) != before
    shopper.get(f"/view/{product.pk}/")
    shopper.get(f"/in/{bob.pk}/")
    assert set(Interaction.objects.values_list("user_id", flat=True)) == {ann.pk, bob.pk}


def test_a_second_user_on_the_same_device_gets_nothing_of_the_first(shopper, ann, bob, product):
    shopper.get(f"/view/{product.pk}/")
    before = visitor(shopper)
    shopper.get(f"/in/{ann.pk}/")
    del shopper.cookies["sessionid"]  # the session ran out: no logout
    shopper.get(f"/in/{bob.pk}/")
    assert set(Interaction.objects.values_list("shopper", flat=True)) == {shopper_id(1, ann.pk)}
    assert visitor(shopper) != before


def test_when_the_session_has_run_out_the_browser_is_a_guest_with_a_history_of_its_own(
    shopper, ann, product
):
    shopper.get(f"/view/{product.pk}/")
    shopper.get(f"/in/{ann.pk}/")
    del shopper.cookies["sessionid"]
    shopper.get(f"/view/{product.pk}/")
    asked = shopper.get("/who/").content.decode()
    latest = Interaction.objects.latest("pk")
    assert (asked, latest.user_id) == (f"{latest.shopper},False", None)
    shopper.get(f"/in/{ann.pk}/")
    assert set(Interaction.objects.values_list("user_id", flat=True)) == {ann.pk}


def test_no_merge_without_consent(shopper, ann, product, settings):
    shopper.get(f"/view/{product.pk}/")
    settings.RECO_CONSENT = f"{__name__}.refuses"
    shopper.get(f"/in/{ann.pk}/")
    assert Interaction.objects.get().user_id is None
    assert not VisitorLink.objects.exists()


def test_merging_is_one_transaction_and_idempotent(ann, product, django_assert_num_queries):
    guest = uuid.uuid4()
    write([_view(guest, product) for _ in range(3)])
    with django_assert_num_queries(6):  # BEGIN, link, who owns it, interests, update, COMMIT
        assert merge(guest, 1, ann.pk) == 3
    assert merge(guest, 1, ann.pk) == 0
    assert merge(guest, 1, "somebody else") is None


def test_a_merge_that_fails_leaves_everything_as_it_was(shopper, ann, product, monkeypatch):
    shopper.get(f"/view/{product.pk}/")

    def refuse(*_, **__):
        raise RuntimeError("killed half-way")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", refuse)
    merged = pytest.raises(RuntimeError)
    with merged:
        merge(visitor(shopper), 1, ann.pk)
    monkeypatch.undo()
    assert not VisitorLink.objects.exists()
    assert Interaction.objects.get().user_id is None


@pytest.mark.skipif(connection.vendor == "sqlite", reason="one writer at a time")
def test_concurrent_logins_give_the_history_to_one_user(ann, bob, product):
    guest = uuid.uuid4()
    write([_view(guest, product) for _ in range(20)])
    start = threading.Barrier(4)
    moved: list[int | None] = []

    def log_in_as(user: Customer) -> None:
        start.wait()
        try:
            moved.append(merge(guest, 1, user.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=log_in_as, args=[user]) for user in (ann, bob, ann, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(moved, key=str) == [0, 20, None, None]
    assert Interaction.objects.values("shopper").distinct().count() == 1


def _view(guest: uuid.UUID, product: Product) -> ShopEvent:
    from django.utils import timezone

    return ShopEvent(
        event_id=uuid.uuid4(),
        kind=EventKind.VIEW_ITEM,
        shopper=Shopper(id=guest),
        occurred_at=timezone.now(),
        product=product.pk,
    )


def test_a_visitor_kept_after_the_response_leaves_what_the_next_request_put_in_the_session(
    settings,
):
    settings.RECO_VISITOR_COOKIE = ""
    request = RequestFactory(headers={"user-agent": PERSON}).get("/")
    request.session = SessionStore()
    request.session["seen"] = True
    request.session.save()
    state_of(request).is_finished = True
    following = SessionStore(request.session.session_key)
    following["basket"] = [1]
    following.save()
    visitor = mint(request)
    kept = SessionStore(request.session.session_key)
    assert kept["basket"] == [1]
    assert kept[SESSION_KEY] == str(visitor)
