"""The upload of a photo: sizes, forms, robots, visitors in a hurry; and nothing of it on disk."""

from __future__ import annotations

import json
import os

import photoshop as ps
import pytest
import servingshop as ss
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from testapp.urls import urlpatterns as shop_urls

from reco_plugin import views
from reco_plugin.models import Impression
from reco_plugin.serving import photo_encoder, uploads, visitors

pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")

COUNT = 12
ADDRESS = "/reco/photo/"


def page(request):
    made = Template("{% load reco_photo %}{% reco_photo category='Women > Shoes' %}")
    return HttpResponse(made.render(Context({"request": request})))


@ensure_csrf_cookie
def token(request):
    return HttpResponse(get_token(request))


urlpatterns = [*shop_urls, path("page/", page), path("token/", token)]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


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


@pytest.fixture
def client() -> Client:
    return Client(headers={"user-agent": ss.AGENT})


def sent(data: bytes | None = None, **form):
    found = ps.photo(250, 5) if data is None else data
    return {"photo": SimpleUploadedFile("mine.png", found, "image/png"), **form}


def test_json_of_what_looks_like_it(shop, client):
    response = client.post(ADDRESS, sent(limit="3"))
    assert response.status_code == 200
    told = response.json()
    assert [item["title"] for item in told["items"]] == ["Thing 0", "Thing 1", "Thing 2"]
    assert told["kind"] == "photo"
    first = told["items"][0]
    assert first["reason"] == "Looks like your photo"
    assert first["href"].startswith("/reco/c/")
    assert first["price"] == 1.0
    assert "Accept" in response["Vary"]
    assert "no-store" in response["Cache-Control"]


def test_html_for_whoever_prefers_it(shop, client):
    response = client.post(ADDRESS, sent(limit="2"), headers={"accept": "text/html,*/*;q=0.5"})
    assert response["Content-Type"].startswith("text/html")
    text = response.content.decode()
    assert "Thing 0" in text
    assert "Looks like your photo" in text
    assert "<script" not in text


def test_a_bad_photo_says_so_in_either(shop, client):
    response = client.post(ADDRESS, sent(b"words"))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "format"
    response = client.post(ADDRESS, sent(b"words"), headers={"accept": "text/html"})
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()


def test_without_a_photo(shop, client):
    assert client.post(ADDRESS, {}).status_code == 400
    assert client.post(ADDRESS, {"photo": "words"}).json()["error"]["code"] == "no_file"
    other = {"other": SimpleUploadedFile("mine.png", ps.photo(250, 5))}
    assert client.post(ADDRESS, other).json()["error"]["code"] == "no_file"


def test_only_by_post(shop, client):
    assert client.get(ADDRESS).status_code == 405
    assert client.head(ADDRESS).status_code == 405


def test_it_takes_a_category_and_facts(shop, client):
    for number, product in enumerate(shop.products):
        colour = "Red" if number % 2 else "Blue"
        ss.item(product, categories=["Shoes"], attributes={"colour": colour})
    form = sent(category="Shoes", match=["colour:Red", "brand:", "odd"], limit="2")
    told = client.post(ADDRESS, form).json()
    assert [item["title"] for item in told["items"]] == ["Thing 1", "Thing 3"]
    assert client.post(ADDRESS, sent(category="Hats")).json()["items"] == []


@pytest.mark.parametrize("limit", ["", "x", "-1", "9" * 30, "²"])
def test_a_limit_that_is_none_is_none(shop, client, limit):
    assert len(client.post(ADDRESS, sent(limit=limit)).json()["items"]) == 8


# --- how large ------------------------------------------------------------------------------------


def test_what_says_that_it_is_too_large_is_not_read(shop, settings):
    settings.RECO_PHOTO_MAX_BYTES = 10_000

    class Unread:
        def read(self, *_):
            raise AssertionError("it was read")

    request = RequestFactory().post(ADDRESS, sent(bytes(200_000)), HTTP_USER_AGENT=ss.AGENT)
    request.environ["wsgi.input"] = request._stream = Unread()
    response = views.photo(request)
    assert response.status_code == 413
    assert json.loads(response.content)["error"]["code"] == "too_large"


def test_what_turns_out_to_be_too_large_is_dropped(shop, settings, client):
    settings.RECO_PHOTO_MAX_BYTES = 10_000
    assert client.post(ADDRESS, sent(bytes(10_001))).status_code == 413
    assert client.post(ADDRESS, sent(bytes(60_000))).status_code == 413
    assert client.post(ADDRESS, sent(limit="1")).status_code == 200


def test_only_the_first_photo_is_taken(shop, client):
    several = [
        SimpleUploadedFile(f"{at}.png", ps.photo(*of)) for at, of in enumerate([(250, 5), (5, 250)])
    ]
    response = client.post(ADDRESS, {"photo": several, "limit": "1"})
    assert response.json()["items"][0]["title"] == "Thing 0"


def test_nothing_is_written_to_disk(shop, client, settings, monkeypatch):
    """A photo that Django's own handlers would put into a temporary file."""
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
    made = []
    monkeypatch.setattr("django.core.files.temp.NamedTemporaryFile", lambda **_: made.append(1))
    assert client.post(ADDRESS, sent(limit="1")).status_code == 200
    assert made == []


# --- who may --------------------------------------------------------------------------------------


def test_forms_of_other_sites_are_refused(shop):
    client = Client(enforce_csrf_checks=True, headers={"user-agent": ss.AGENT})
    assert client.post(ADDRESS, sent()).status_code == 403
    secret = client.get("/token/").content.decode()
    form = sent(csrfmiddlewaretoken=secret, limit="1")
    assert client.post(ADDRESS, form).status_code == 200
    response = client.post(ADDRESS, sent(limit="1"), headers={"x-csrftoken": secret})
    assert response.status_code == 200


def test_switched_off_there_is_no_such_thing(shop, settings, client):
    settings.RECO_PHOTO_SEARCH = False
    response = client.post(ADDRESS, sent())
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "off"
    assert client.get("/page/").content == b""


def test_no_encoder(shop, client, settings, tmp_path):
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    response = client.post(ADDRESS, sent())
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "absent"
    assert "Retry-After" not in response


def test_too_much_to_do(shop, client, monkeypatch):
    from reco_plugin.encoders.service import EncoderService
    from reco_plugin.exceptions import EncoderBusy

    def busy(*_):
        raise EncoderBusy("Others wait.")

    monkeypatch.setattr(EncoderService, "ask", busy)
    response = client.post(ADDRESS, sent())
    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert response.json()["error"]["code"] == "busy"


def test_a_visitor_has_one_looked_at_at_a_time(shop, client):
    client.get("/token/")
    request = RequestFactory().post(ADDRESS, HTTP_USER_AGENT=ss.AGENT)
    request.META["CSRF_COOKIE"] = client.cookies["csrftoken"].value
    with visitors.one_at_a_time(request) as first, visitors.one_at_a_time(request) as second:
        assert first
        assert not second
        response = client.post(ADDRESS, sent())
        assert response.status_code == 429
        assert response["Retry-After"]
        stranger = Client(headers={"user-agent": ss.AGENT})
        assert stranger.post(ADDRESS, sent()).status_code == 200
    assert client.post(ADDRESS, sent()).status_code == 200


def test_who_cannot_be_told_apart_is_not_held_up(rf):
    request = rf.post(ADDRESS)
    with visitors.one_at_a_time(request) as first, visitors.one_at_a_time(request) as second:
        assert first
        assert second
    assert not visitors._busy


@pytest.mark.django_db(transaction=True)
def test_impressions_of_people_and_not_of_robots(shop, client):
    client.post(ADDRESS, sent(limit="3"))
    assert Impression.objects.filter(placement="photo").count() == 3
    robot = Client(headers={"user-agent": "Googlebot/2.1"})
    assert len(robot.post(ADDRESS, sent(limit="3")).json()["items"]) == 3
    assert Impression.objects.filter(placement="photo").count() == 3


# --- the form -------------------------------------------------------------------------------------


def test_the_form_works_without_javascript(shop, client):
    text = client.get("/page/").content.decode()
    assert f'action="{ADDRESS}"' in text
    assert 'enctype="multipart/form-data"' in text
    assert 'accept="image/jpeg,image/png,image/webp"' in text
    assert 'name="category" value="Women > Shoes"' in text
    assert "5.0" in text
    assert "<script" not in text
    assert "style=" not in text


def test_a_form_of_ones_own(rf):
    made = Template("{% load reco_photo %}{% reco_photo action='/search/' title=said %}")
    text = made.render(Context({"request": rf.get("/"), "said": "<b>"}))
    assert 'action="/search/"' in text
    assert "&lt;b&gt;" in text
    assert made.render(Context()) == ""


def test_a_receiver_comes_too_late_where_somebody_has_read_the_form(shop, rf):
    request = rf.post(ADDRESS, sent())
    assert request.POST is not None
    assert uploads.expect(request) is not None
    assert uploads.photo_of(request)


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="nothing forks here")
def test_a_forked_process_holds_nobody_up():
    visitors._busy.add(b"somebody")
    visitors._forked()
    assert not visitors._busy
