"""The main job, as a new user runs it: a fresh folder, its own embedded database, a real server."""

from __future__ import annotations

import html
import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def environment(home: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return {
        **inherited,
        "DEMO_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "example_shop.project.settings",
    }


def demo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "example_shop.demo", *arguments],
        cwd=ROOT, env=environment(home), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@dataclass
class Visitor:
    """A browser without a screen: cookies, forms with their CSRF token."""

    base: str
    cookies: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)
    page: str = ""
    url: str = ""
    headers: Any = None

    def get(self, path: str, data: dict[str, str] | None = None) -> str:
        body = urllib.parse.urlencode(data).encode() if data is not None else None
        request = urllib.request.Request(urllib.parse.urljoin(self.base, path), body)
        request.add_header("User-Agent", BROWSER)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        with opener.open(request, timeout=30) as response:
            self.page, self.url, self.headers = (
                response.read().decode(),
                response.url,
                response.headers,
            )
        return self.page

    def post(self, path: str, **data: str) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.page)
        assert token, f"no form on {self.url}"
        return self.get(path, {"csrfmiddlewaretoken": token[1], **data})

    def log_in(self, username: str, password: str) -> None:
        self.get("/account/login/")
        self.post("/account/login/", username=username, password=password)
        assert "/account/" in self.url
        assert "Log out" in self.page

    def links(self, pattern: str) -> list[str]:
        return [html.unescape(found) for found in re.findall(rf'href="({pattern})"', self.page)]


@dataclass(frozen=True)
class Shop:
    base: str
    home: Path
    told: dict[str, Any]

    def count(self, code: str) -> int:
        """A number out of the running shop's database."""
        script = f"from reco_plugin.models import *; from reco_plugin.types import *; print({code})"
        done = subprocess.run(
            [sys.executable, "example_shop/manage.py", "shell", "-v0", "-c", script],
            cwd=ROOT, env=environment(self.home), capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return int(done.stdout.split()[-1])


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="reco-shop-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, Any]:
    """What a whole run tells, in a folder where one was broken off half-way."""
    break_off(home)
    done = demo(home, "--scale", "small", "--no-serve", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def shop(home: Path, told: dict[str, Any]) -> Iterator[Shop]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "example_shop.demo", "--scale", "small", "--port", str(port)],
        cwd=ROOT, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    base = f"http://127.0.0.1:{port}/"
    try:
        wait_for(base, server)
        yield Shop(base, home, told)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def wait_for(base: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            Visitor(base).get("account/login/")
            return
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError("the shop did not open")


def break_off(home: Path) -> None:
    """Start the demo and end it as soon as it loads its data."""
    process = subprocess.Popen(
        [sys.executable, "-m", "example_shop.demo", "--scale", "small", "--no-serve"],
        cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            if "Pictures" in line:
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM


def product_links(visitor: Visitor) -> list[str]:
    return visitor.links(r"/p/\d+/[^\"]+/")


def test_it_loads_learns_and_tells(told: dict[str, Any]) -> None:
    assert told["counts"]["products"] == 120
    assert told["counts"]["order_lines"] > 100
    personal = [run for run in told["runs"] if run["kind"] == "personal"][-1]
    assert personal["status"] == "published", personal["gates"]
    results = personal["metrics"]["results"]
    served = results[personal["metrics"]["served"]]
    assert served["ndcg@10"]["mean"] > 1.3 * results["popularity"]["ndcg@10"]["mean"]


def test_it_learns_to_see_or_says_what_that_needs(told: dict[str, Any]) -> None:
    if find_spec("torchvision") is None:
        assert "pip install 'django-reco-plugin[images]'" in told["sight"]
    else:
        assert re.match(r"Encoder \d+ is (published|rejected)", told["sight"]), told["sight"]


def kinds_of(told: dict[str, Any]) -> list[str]:
    return [run["kind"] for run in told["runs"]]


def test_a_second_run_starts_in_seconds_and_loses_nothing(home: Path, told: dict[str, Any]) -> None:
    begun = time.monotonic()
    again = demo(home, "--scale", "small", "--no-serve", "--json")
    assert again.returncode == 0, again.stderr
    assert time.monotonic() - begun < 60  # the first takes minutes
    found = json.loads(again.stdout)
    assert found["counts"] == told["counts"]
    before, after = ([run["run"] for run in one["runs"]] for one in (told, found))
    assert after[: len(before)] == before  # an open shop's own loop may have added to them
    assert kinds_of(found).count("personal") == kinds_of(told).count("personal")


def test_another_data_set_in_the_same_database_is_refused(home: Path, told: dict[str, Any]) -> None:
    done = demo(home, "--no-serve")
    assert done.returncode == 2
    assert "holds the data set 'generated-small', not 'generated'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_path_says_what_is_accepted(tmp_path: Path) -> None:
    done = demo(tmp_path, "--data", str(tmp_path / "nowhere"), "--no-serve")
    assert done.returncode == 2
    assert "There is nothing at" in done.stderr
    assert "--data accepts" in done.stderr


def test_an_unreachable_database_is_a_plain_message(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/shop"
    done = subprocess.run(
        [sys.executable, "-m", "example_shop.demo", "--no-serve"],
        cwd=ROOT, env={**environment(tmp_path), "DATABASE_URL": url},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "The database does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_page_answers(shop: Shop) -> None:
    visitor = Visitor(shop.base)
    visitor.get("/")
    assert "Recommended for you" in visitor.page or "Popular right now" in visitor.page
    assert "script-src" not in visitor.page
    assert visitor.headers["Content-Security-Policy"].startswith("default-src 'self'")
    for path in ("/c/shoes/", "/c/shoes/running-shoes/?sort=price&page=2", "/search/?q=linen",
                 "/search/?q=zzzz", "/search/", "/cart/", "/account/login/", "/account/register/",
                 "/static/shop/shop.css", "/admin/login/"):  # fmt: skip
        assert visitor.get(path)
    assert "style=" not in visitor.get("/c/living/")


def test_no_page_has_inline_code(shop: Shop) -> None:
    visitor = Visitor(shop.base)
    for path in ("/", "/c/bags/", "/cart/"):
        page = visitor.get(path)
        assert "<script" not in page
        assert "<style" not in page
        assert not re.search(r"\s(style|on\w+)=", page)


def test_a_guest_looks_buys_and_is_remembered(shop: Shop) -> None:
    visitor = Visitor(shop.base)
    visitor.get("/c/living/mugs/")
    visitor.get(product_links(visitor)[-1])
    if "disabled>Sold out" in visitor.page.replace("\n", ""):
        pytest.skip("the only mug is sold out")
    key = re.search(r'name="product" value="(\d+)"', visitor.page)
    assert key
    visitor.post("/cart/add/", product=key[1])
    assert visitor.url.endswith("/cart/")
    assert "Your cart is empty" not in visitor.page
    visitor.get("/checkout/")
    visitor.post("/checkout/", name="Grace", email="grace@example.com", address="1 Lane")
    assert visitor.url.endswith("/thank-you/")
    assert "Thank you, Grace" in visitor.page
    visitor_id = next(cookie.value for cookie in visitor.cookies if cookie.name == "reco_visitor")
    mine = f"Interaction.objects.filter(shopper='{visitor_id}'"
    for kind in ("VIEW_ITEM", "ADD_TO_CART", "PURCHASE"):
        assert shop.count(f"{mine}, kind=EventKind.{kind}).count()") == 1, kind


def test_a_demo_account_is_greeted_with_its_taste(shop: Shop) -> None:
    visitor = Visitor(shop.base)
    login = Visitor(shop.base).get("/account/login/")
    password = re.search(r"password is <code>([^<]+)</code>", login)
    assert password
    visitor.log_in("ann", password[1])
    assert "Your orders" in visitor.page
    visitor.get("/")
    row = visitor.page.split('data-placement="home_for_you"')[1].split("</section>")[0]
    assert len(set(re.findall(r'class="name">([^<]+)', row))) == 8


def test_a_wish_is_kept(shop: Shop) -> None:
    visitor = Visitor(shop.base)
    visitor.log_in("cleo", "fern-and-fable")
    visitor.get("/c/living/lamps/")
    visitor.get(product_links(visitor)[-1])
    before = "On your wishlist" in visitor.page
    visitor.post(re.findall(r'action="(/wishlist/\d+/)"', visitor.page)[0])
    assert ("On your wishlist" in visitor.page) is not before


def test_the_admin_refunds_an_order(shop: Shop) -> None:
    visitor = Visitor(shop.base)
    visitor.log_in("admin", "fern-and-fable")
    visitor.get("/admin/shop/order/?status__exact=paid")
    key = re.search(r'name="_selected_action" value="(\d+)"', visitor.page)
    assert key
    refunds = "Interaction.objects.filter(kind=EventKind.REFUND).count()"
    before = shop.count(refunds)
    visitor.post("/admin/shop/order/", action="refund", _selected_action=key[1])
    assert "Refunded." in visitor.page
    assert shop.count(refunds) > before
