"""The panel, in the toolbar, through Django's own handler."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import servingshop
from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import AsyncClient, Client
from django.urls import clear_url_caches, include, path

pytest.importorskip("debug_toolbar")

from reco_plugin import track

PANEL = "reco_plugin.contrib.debug_toolbar.panel.RecommendationsPanel"
PAGE = '{% load reco %}<html><body>{% recommend "popular" placement="home" limit=2 %}</body></html>'
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


def product(request: HttpRequest) -> HttpResponse:
    track(request, "view_item", request.GET["key"])
    return HttpResponse("<html><body>A product</body></html>")


def debug() -> list[object]:
    if not apps.is_installed("debug_toolbar"):
        return []
    return [path("__debug__/", include("debug_toolbar.urls"))]


urlpatterns = [path("", home), path("product/", product)]


@pytest.fixture
def toolbar(settings):
    """Installed as its own documentation says; all panels but ours are left out."""
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.STATIC_URL = "static/"
    settings.INSTALLED_APPS = [
        *settings.INSTALLED_APPS,
        "django.contrib.staticfiles",
        "debug_toolbar",
    ]
    settings.MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware", *settings.MIDDLEWARE]
    settings.DEBUG_TOOLBAR_PANELS = [PANEL]
    settings.DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False, "RENDER_PANELS": True}
    from debug_toolbar.toolbar import DebugToolbar

    DebugToolbar._panel_classes = None
    urlpatterns[2:] = debug()
    clear_url_caches()
    yield
    DebugToolbar._panel_classes = None
    urlpatterns[2:] = []
    clear_url_caches()


@pytest.fixture
def shop() -> servingshop.Shop:
    made = servingshop.Shop(products=servingshop.products(4))
    servingshop.rank(made, {"": [0, 1, 2]})
    return made


def panel(page: HttpResponse) -> str:
    """The text of our panel, without its tags."""
    html = page.content.decode()
    assert "RecommendationsPanel" in html
    start = html.index('id="RecommendationsPanel"')
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html[start:]))


def test_slates_of_the_request(toolbar, shop) -> None:
    page = Client(headers={"user-agent": servingshop.AGENT}).get("/")
    text = panel(page)
    assert "home · popular" in text
    assert "Thing 0" in text
    assert "Thing 1" in text
    assert re.search(rf"popular {shop.popular.pk} \d+\.\d+ popular \d+\.\d+", text)
    assert re.search(r"1 slate in \d", page.content.decode())
    assert "RecommendationsPanel_slates" in page["Server-Timing"]


def test_events_of_the_request(toolbar, shop) -> None:
    key = {"key": str(shop.products[0].pk)}
    text = panel(Client(headers={"user-agent": servingshop.AGENT}).get("/product/", key))
    assert re.search(rf"view_item {shop.products[0].pk} 1 track", text)
    assert "No slate was asked for" in text
    text = panel(Client(headers={"user-agent": "Googlebot/2.1"}).get("/product/", key))
    assert "bot 1" in text
    assert "view_item" not in text


def test_one_request_does_not_see_another(toolbar, shop) -> None:
    client = Client(headers={"user-agent": servingshop.AGENT})
    first, second = panel(client.get("/")), panel(client.get("/"))
    assert first.count("home · popular") == second.count("home · popular") == 1


@pytest.mark.asyncio
async def test_under_an_event_loop(toolbar) -> None:
    page = await AsyncClient().get("/", headers={"user-agent": servingshop.AGENT})
    assert "home · popular" in panel(page)
    await sync_to_async(connections.close_all)()


def test_without_the_toolbar_nothing_is_imported(shop) -> None:
    page = Client(headers={"user-agent": servingshop.AGENT}).get("/")
    assert page.status_code == 200
    assert b"RecommendationsPanel" not in page.content
    script = (
        "import sys, reco_plugin.contrib.debug_toolbar; assert 'debug_toolbar' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
