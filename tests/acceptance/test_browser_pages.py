"""Every page of the shop, as a shopper walks through it: what is recommended there is right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

TELEPHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36"
"""A headless browser's own name is taken for a robot's."""
PASSWORD = "fern-and-fable"
PERSONA = "cleo"
"""She buys candles, and buys them again."""


@pytest.fixture(scope="module")
def visitor(browser: Browser, shop: str) -> Iterator[BrowserContext]:
    """Somebody with a past: what they looked at, and a cart with one thing in it."""
    context = browser.new_context(base_url=shop, viewport=DESK, user_agent=AGENT)
    page = context.new_page()
    page.goto("/account/login/")
    page.get_by_label("Username").fill(PERSONA)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.wait_for_url(re.compile("/account/"))
    for path in shelf(page, "Living")[:4]:
        page.goto(path)
    put_in_cart(page, shelf(page, "Living"))
    yield context
    context.close()


def shelf(page: Page, department: str) -> list[str]:
    """Paths of the products in the list of a department that can be bought."""
    page.goto("/")
    bar = page.get_by_role("navigation", name="Departments")
    page.goto(str(bar.get_by_role("link", name=department).get_attribute("href")))
    return [str(each.get_attribute("href")) for each in page.locator("ul.grid li a").all()]


def put_in_cart(page: Page, paths: list[str]) -> str:
    """The first of these products that is not sold out; returns its name."""
    for path in paths:
        page.goto(path)
        name = page.get_by_role("heading", level=1).inner_text()
        if page.get_by_role("button", name="Add to cart").count():
            page.get_by_role("button", name="Add to cart").click()
            return name
    raise AssertionError("everything is sold out")


@pytest.fixture(scope="module")
def pages(visitor: BrowserContext) -> dict[str, str]:
    """Where each page is."""
    page = visitor.new_page()
    product = shelf(page, "Living")[5]
    page.close()
    return {
        "home": "/",
        "department": "/c/living/",
        "shelf": "/c/living/candles/",
        "product": product,
        "cart": "/cart/",
        "search": "/search/?q=linen",
        "no results": "/search/?q=unobtainium",
        "account": "/account/",
    }


def rows(page: Page) -> Locator:
    return page.locator("section.reco-slate, section.bundle")


def headings(page: Page) -> list[str]:
    return rows(page).get_by_role("heading", level=2).all_inner_texts()


def product_pages(page: Page) -> list[str]:
    """Where the tiles of all rows lead, by the pages the links end at."""
    links = [str(each.get_attribute("href")) for each in rows(page).locator(".card a").all()]
    found = []
    for link in links:
        answer = page.request.get(link, max_redirects=0)
        found.append(answer.headers.get("location", link))
    return found


def test_no_product_is_in_two_rows_of_a_page(
    visitor: BrowserContext, pages: dict[str, str]
) -> None:
    page = visitor.new_page()
    for name, path in pages.items():
        page.goto(path)
        shown = product_pages(page)
        repeated = [each for each, times in Counter(shown).items() if times > 1]
        assert repeated == [], name
        assert len(shown) >= 1, name
    page.close()


def test_nothing_that_is_recommended_is_sold_out(visitor: BrowserContext) -> None:
    page = visitor.new_page()
    for path in ("/", "/cart/", "/account/"):
        page.goto(path)
        for address in product_pages(page)[::3]:
            text = page.request.get(address).text()
            assert "Sold out" not in text, address
            assert "Add to cart" in text, address
    page.close()


def test_what_is_in_the_cart_is_in_no_row(visitor: BrowserContext) -> None:
    page = visitor.new_page()
    page.goto("/cart/")
    inside = [str(each.get_attribute("href")) for each in page.locator(".lines .line-text a").all()]
    assert inside
    keys = {re.findall(r"/p/(\d+)/", path)[0] for path in inside}
    for path in ("/", "/cart/"):
        page.goto(path)
        shown = {re.findall(r"/p/(\d+)/", address)[0] for address in product_pages(page)}
        assert not keys & shown, path
    page.close()


def test_every_row_has_a_heading_and_its_products_say_why(
    visitor: BrowserContext, pages: dict[str, str]
) -> None:
    page = visitor.new_page()
    for name, path in pages.items():
        page.goto(path)
        assert all(headings(page)), name
        assert len(headings(page)) == len(set(headings(page))), name
        cards = rows(page).locator(".card").count()
        said = [text for text in rows(page).locator(".reason").all_inner_texts() if text.strip()]
        assert len(said) >= 0.6 * cards, name
    page.close()


@pytest.mark.parametrize("size", [TELEPHONE, DESK], ids=["360", "1280"])
def test_nothing_sticks_out(
    visitor: BrowserContext, pages: dict[str, str], size: dict[str, int]
) -> None:
    page = visitor.new_page()
    page.set_viewport_size(size)
    for name, path in pages.items():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
    page.close()


def test_the_last_tile_of_a_row_is_reached_with_the_keyboard(visitor: BrowserContext) -> None:
    page = visitor.new_page()
    page.set_viewport_size(TELEPHONE)
    page.goto("/")
    row = page.locator("section.reco-slate").first
    row.locator(".card a").first.focus()
    for _ in range(row.locator(".card a").count() - 1):
        page.keyboard.press("Tab")
    last = row.locator(".card a").last
    assert last.evaluate("link => link === document.activeElement")
    box = last.bounding_box()
    assert box is not None
    assert 0 <= box["x"] < TELEPHONE["width"]
    page.close()


def test_a_product_page_has_a_bundle_with_one_price(visitor: BrowserContext) -> None:
    page = visitor.new_page()
    bundle = page.locator("section.bundle")
    for path in shelf(page, "Living")[:12]:
        page.goto(path)
        if bundle.count():
            break
    own = bundle.locator(".bundle-own .price").inner_text()
    prices = [own, *bundle.locator(".card .price").all_inner_texts()]
    total = sum(float(re.findall(r"£([\d.]+)", price)[0]) for price in prices)
    shown = float(bundle.locator(".bundle-total strong").inner_text().lstrip("£"))
    assert shown == pytest.approx(total)
    page.close()


def test_a_shelf_is_ordered_for_the_shopper_and_stays_so_from_page_to_page(
    visitor: BrowserContext,
) -> None:
    page = visitor.new_page()
    page.goto("/c/living/")
    assert page.get_by_label("Sort by").input_value() == "best"
    first = [str(each.get_attribute("href")) for each in page.locator("ul.grid li a").all()]
    following = page.get_by_role("navigation", name="Pages").get_by_role("link", name="2")
    address = str(following.get_attribute("href"))
    assert "as_of=" in address
    page.goto(first[-1])
    page.goto(f"/c/living/{address}")
    second = [str(each.get_attribute("href")) for each in page.locator("ul.grid li a").all()]
    assert not set(first) & set(second)
    page.close()


def test_a_guest_ticks_what_they_like_and_is_shown_it(browser: Browser, shop: str) -> None:
    context = browser.new_context(base_url=shop, viewport=DESK, user_agent=AGENT)
    page = context.new_page()
    page.goto("/")
    page.get_by_text("Tell us what you like").click()
    page.get_by_role("checkbox", name=re.compile("^Candles")).check()
    page.get_by_role("button", name="Save").click()
    page.goto("/")
    row = page.get_by_role("region", name="Recommended for you")
    assert any("Candles" in text for text in row.locator(".reason").all_inner_texts())
    context.close()


def test_the_thank_you_page_and_its_e_mail(browser: Browser, shop: str) -> None:
    context = browser.new_context(base_url=shop, viewport=DESK, user_agent=AGENT)
    page = context.new_page()
    bought = put_in_cart(page, shelf(page, "Living"))
    page.goto("/checkout/")
    page.get_by_label("Full name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@example.com")
    page.get_by_label("Delivery address").fill("1 Long Lane")
    page.get_by_role("button", name="Place the order").click()
    page.wait_for_url(re.compile("/thank-you/"))
    assert rows(page).count() >= 1
    page.get_by_role("link", name="See the e-mail").click()
    mail = page.locator("body")
    assert "You may also like" in mail.inner_text()
    links = [str(link.get_attribute("href")) for link in mail.locator("a").all()]
    assert len(links) == 2
    assert all(re.match(r"https?://[^/]+/p/\d+/", link) for link in links)
    assert all(bought not in link.inner_text() for link in mail.locator("a").all())
    context.close()
