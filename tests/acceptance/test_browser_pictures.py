"""The pictures of the documentation, taken from the running demo.

With PICTURES set to `docs/_static/kinds` this takes them anew, from a demo of normal scale; without, it
takes none and makes sure that each can be: that every kind has its row where a shopper expects it.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36"
WIDTH = 820
"""Of a picture, in pixels: what a page of the documentation is wide."""
MOST = 60_000
"""Bytes of one picture."""

ROWS = {
    "personal": ("home", "Recommended for you"),
    "because_you_viewed": ("home", "Because you viewed"),
    "trending": ("home", "Trending"),
    "new_arrivals": ("home", "Just in"),
    "on_sale": ("home", "Reduced"),
    "continue_shopping": ("home", "Carry on where you left off"),
    "facets": ("home", "Brands for you"),
    "best_converting": ("department", "Often chosen"),
    "bought_together": ("product", "Goes well with it"),
    "similar": ("product", "You may also like"),
    "viewed_viewed": ("product", "Others also looked at"),
    "recently_viewed": ("cart", "You looked at these"),
    "buy_again": ("account", "Buy it again"),
}
"""Kind → the page it stands on, and the beginning of its heading."""


@pytest.fixture(scope="module")
def cleo(browser: Browser, shop: str) -> Iterator[Page]:
    """She furnishes a calm, pale flat, has bought candles, and left something in the cart."""
    context = browser.new_context(
        base_url=shop, viewport={"width": 1100, "height": 900}, user_agent=AGENT
    )
    page = context.new_page()
    page.goto("/account/login/")
    page.get_by_label("Username").fill("cleo")
    page.get_by_label("Password").fill("fern-and-fable")
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.wait_for_url(re.compile("/account/"))
    yield page
    context.close()


@pytest.fixture(scope="module")
def places(cleo: Page) -> dict[str, str]:
    """Where each page is; the product is one that others buy and look at with others."""
    cleo.goto("/c/living/?sort=new")
    paths = [str(link.get_attribute("href")) for link in cleo.locator("ul.grid li a").all()]
    cleo.goto("/c/living/?sort=name")
    paths += [str(link.get_attribute("href")) for link in cleo.locator("ul.grid li a").all()]
    told = {path: _told(cleo, path) for path in paths[::2]}
    product = max(told, key=lambda path: told[path])
    assert told[product][0] >= 1
    cleo.goto(next(path for path in paths if path != product and told.get(path)))
    if cleo.get_by_role("button", name="Add to cart").count():
        cleo.get_by_role("button", name="Add to cart").click()
    return {
        "home": "/",
        "department": "/c/living/",
        "product": product,
        "cart": "/cart/",
        "account": "/account/",
    }


def _told(page: Page, path: str) -> tuple[int, ...]:
    """How many products its bundle and the row of what others looked at have."""
    page.goto(path)
    together = page.locator("section.bundle .card").count()
    viewed = page.get_by_role("region", name="Others also looked at").locator(".card").count()
    return min(together, viewed), together, viewed


@pytest.mark.parametrize("kind", ROWS)
def test_every_kind_has_its_row(cleo: Page, places: dict[str, str], kind: str) -> None:
    where, heading = ROWS[kind]
    cleo.goto(places[where])
    name = re.compile("^" + re.escape(heading))
    found = cleo.get_by_role("region", name=name).or_(cleo.get_by_role("navigation", name=name))
    _take(cleo, found.first, kind)


def test_the_form_of_interests(browser: Browser, shop: str) -> None:
    context = browser.new_context(
        base_url=shop, viewport={"width": 1100, "height": 900}, user_agent=AGENT
    )
    page = context.new_page()
    page.goto("/")
    page.get_by_text("Tell us what you like").click()
    for name in ("^Candles", "^Lamps"):
        page.get_by_role("checkbox", name=re.compile(name)).first.check()
    _take(page, page.locator(".picker"), "interests")
    context.close()


def test_the_e_mail_of_an_order(cleo: Page, places: dict[str, str]) -> None:
    cleo.goto("/checkout/")
    cleo.get_by_label("Full name").fill("Cleo")
    cleo.get_by_label("E-mail").fill("cleo@example.com")
    cleo.get_by_label("Delivery address").fill("1 Long Lane")
    cleo.get_by_role("button", name="Place the order").click()
    cleo.wait_for_url(re.compile("/thank-you/"))
    cleo.get_by_role("link", name="See the e-mail").click()
    _take(cleo, cleo.locator("body > table"), "email")


def _take(page: Page, found: Locator, name: str) -> None:
    found.wait_for()
    box = found.bounding_box()
    assert box is not None
    assert box["width"] > 100
    assert box["height"] > 20
    if folder := os.environ.get("PICTURES"):
        _save(page, found, Path(folder) / f"{name}.webp")


def _save(page: Page, found: Locator, target: Path) -> None:
    Image = pytest.importorskip("PIL.Image")
    found.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    image = Image.open(io.BytesIO(found.screenshot(animations="disabled")))
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.LANCZOS)
    target.parent.mkdir(parents=True, exist_ok=True)
    image.convert("RGB").save(target, quality=82, method=6)
    assert 1_000 < target.stat().st_size <= MOST
