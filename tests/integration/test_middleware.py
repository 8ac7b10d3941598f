"""RecoMiddleware: order of things, streaming, caching, failures."""

from __future__ import annotations

import gc
import pickle
import weakref

import pytest
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from reco_plugin.capture import after_response, drops, identify
from reco_plugin.capture.lifecycle import state_of
from reco_plugin.middleware import RecoMiddleware

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
done: list[str] = []


def plain(request: HttpRequest) -> HttpResponse:
    after_response(request, lambda: done.append("first"))
    after_response(request, lambda: 1 / 0)
    after_response(request, lambda: after_response(request, lambda: done.append("third")))
    after_response(request, lambda: done.append("second"))
    done.append("view")
    return HttpResponse("ok")


def personal(request: HttpRequest) -> HttpResponse:
    shopper = identify(request)
    return HttpResponse(str(shopper and shopper.id))


def impersonal(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the same for everyone")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def body():
        done.append("body")
        identify(request)
        after_response(request, lambda: done.append("after"))
        yield b"ok"

    return StreamingHttpResponse(body())


urlpatterns = [
    path("plain/", plain),
    path("personal/", personal),
    path("impersonal/", impersonal),
    path("stream/", stream),
]


@pytest.fixture(autouse=True)
def _start_clean():
    done.clear()
    cache.clear()
    drops.flush()


@pytest.fixture
def client() -> Client:
    return Client(headers={"user-agent": PERSON})


def test_callbacks_run_in_order_after_the_view_and_survive_each_other(client):
    assert client.get("/plain/").status_code == 200
    assert done == ["view", "first", "second", "third"]
    assert drops.pending()[1, "error"] == 1


def test_without_the_middleware_they_run_at_once(client, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Reco" not in name]
    client.get("/plain/")
    assert done == ["first", "third", "second", "view"]


def test_a_streaming_body_comes_first_and_gets_no_cookie_it_cannot_set(client):
    response = client.get("/stream/")
    assert done == []
    assert response.getvalue() == b"ok"
    assert done == ["body", "after"]
    assert "reco_visitor" not in response.cookies


def test_after_the_response_is_closed_callbacks_run_at_once():
    request = RequestFactory(headers={"user-agent": PERSON}).get("/")
    RecoMiddleware(impersonal)(request).close()
    after_response(request, lambda: done.append("late"))
    assert done == ["late"]


def test_pages_that_ask_who_it_is_vary_by_cookie_and_others_do_not(client):
    assert "Cookie" in client.get("/personal/")["Vary"]
    assert not client.get("/impersonal/").has_header("Vary")


def test_r27_the_cache_middleware_never_shares_a_visitor(settings):
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    clients = [Client(headers={"user-agent": PERSON}) for _ in range(2)]
    bodies = [each.get("/personal/").content for each in clients for _ in range(2)]
    assert bodies[0] == bodies[1] != bodies[2] == bodies[3]
    for each in clients:
        assert each.get("/impersonal/").content == b"the same for everyone"


def test_what_waits_is_done_also_where_another_response_is_sent(client, settings):
    """ConditionalGetMiddleware answers with a 304 of its own, and drops ours."""
    settings.MIDDLEWARE = [
        "django.middleware.http.ConditionalGetMiddleware",
        *settings.MIDDLEWARE,
    ]
    first = client.get("/plain/")
    done.clear()
    second = client.get("/plain/", headers={"if-none-match": first["ETag"]})
    assert second.status_code == 304
    assert done == ["view", "first", "second", "third"]


def test_a_request_that_was_closed_is_freed_at_once():
    request = RequestFactory(headers={"user-agent": PERSON}).get("/")
    response = RecoMiddleware(impersonal)(request)
    seen = weakref.ref(request)
    request.close()
    response.close()
    gc.disable()
    try:
        del request, response
        assert seen() is None
    finally:
        gc.enable()


def test_a_response_can_still_be_pickled():
    request = RequestFactory(headers={"user-agent": PERSON}).get("/")
    response = RecoMiddleware(impersonal)(request)
    after_response(request, lambda: done.append("once"))
    copy = pickle.loads(pickle.dumps(response))
    copy.close()
    assert done == []
    response.close()
    assert done == ["once"]


def test_it_never_raises_into_the_shop(client, monkeypatch, settings):
    def breaks(*_):
        raise RuntimeError("ours is broken")

    monkeypatch.setattr("reco_plugin.capture.identity.finish", breaks)
    assert client.get("/plain/").status_code == 200
    assert done == ["view", "first", "second", "third"]
    settings.RECO_DEBUG_RAISE = True
    with pytest.raises(RuntimeError, match="ours is broken"):
        client.get("/impersonal/")


def test_the_state_is_seen_through_rest_frameworks_wrapper():
    class Wrapper:
        def __init__(self, request: HttpRequest) -> None:
            self._request = request

    request = RequestFactory().get("/")
    assert state_of(Wrapper(request)) is state_of(request)  # type: ignore[arg-type]
