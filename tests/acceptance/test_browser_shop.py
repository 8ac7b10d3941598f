"""A visitor with a real browser: what they click is what they are shown next."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PERSONAL = "Recommended for you"
SIMILAR = "You may also like"
LOOKS = 4
"""Products a visitor looks at before we ask whether the shop has noticed."""


def row(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title)


def links(region: Locator) -> list[str]:
    tiles = region.get_by_role("listitem").get_by_role("link").first
    tiles.wait_for()
    return [
        str(link.get_attribute("href"))
        for link in region.get_by_role("listitem").locator("a").all()
    ]


def names(region: Locator) -> list[str]:
    region.get_by_role("listitem").first.wait_for()
    return [
        tile.inner_text().strip()
        for tile in region.get_by_role("listitem").locator(".name, .reco-tile__title").all()
    ]


def department(page: Page) -> str:
    """The department of the product page that is open, from its breadcrumb."""
    return page.get_by_role("navigation", name="Breadcrumb").get_by_role("link").nth(1).inner_text()


def departments(page: Page) -> list[str]:
    bar = page.get_by_role("navigation", name="Departments")
    return [link.inner_text() for link in bar.get_by_role("link").all()]


def look_at(page: Page, name: str, count: int = LOOKS) -> list[str]:
    """Open `count` products of a department; returns their paths."""
    page.goto("/")
    page.get_by_role("navigation", name="Departments").get_by_role("link", name=name).click()
    grid = page.locator("ul.grid li a")
    paths = [str(link.get_attribute("href")) for link in grid.all()[:count]]
    for path in paths:
        page.goto(path)
    return paths


def shown_departments(page: Page, title: str) -> Counter[str]:
    """How many tiles of the row on the home page lead to each department."""
    page.goto("/")
    found: Counter[str] = Counter()
    for href in links(row(page, title)):
        page.goto(href)
        found[department(page)] += 1
    return found


@pytest.mark.usefixtures("normal_scale")
def test_the_home_page_follows_what_was_clicked(browser: Browser, shop: str, page: Page) -> None:
    page.goto("/")
    first, *_, last = departments(page)
    followed = {}
    for name in (first, last):
        context = browser.new_context(
            base_url=shop, user_agent=page.evaluate("navigator.userAgent")
        )
        visitor = context.new_page()
        look_at(visitor, name)
        visitor.goto("/")
        followed[name] = names(row(visitor, PERSONAL))
        context.close()
    assert len(followed[first]) == len(followed[last]) == 8
    assert len(set(followed[first]) & set(followed[last])) <= 2


def follows(page: Page, which: int) -> None:
    page.goto("/")
    wanted = departments(page)[which]
    look_at(page, wanted)
    found = shown_departments(page, PERSONAL)
    assert found[wanted] >= 5, found


@pytest.mark.usefixtures("normal_scale")
def test_the_row_moves_to_the_first_department_when_it_is_looked_at(page: Page) -> None:
    follows(page, 0)


def test_the_row_moves_to_the_last_department_when_it_is_looked_at(page: Page) -> None:
    follows(page, -1)


def test_what_was_looked_at_is_not_all_that_is_shown(page: Page) -> None:
    page.goto("/")
    seen = look_at(page, departments(page)[0])
    page.goto("/")
    assert len(names(row(page, PERSONAL))) > len(seen)


def test_a_click_on_a_tile_leads_to_its_product(page: Page) -> None:
    page.goto("/")
    look_at(page, departments(page)[0], count=1)
    region = row(page, SIMILAR)
    name = names(region)[0]
    region.get_by_role("listitem").get_by_role("link").first.click()
    assert page.get_by_role("heading", level=1).inner_text() in name
    assert re.search(r"/p/\d+/", page.url)


def test_what_is_in_the_cart_is_not_recommended(page: Page) -> None:
    page.goto("/")
    look_at(page, departments(page)[0], count=2)
    name = page.get_by_role("heading", level=1).inner_text()
    option = page.locator("input[name=product][type=radio]:not([disabled])")
    if option.count():
        option.first.check(force=True)
    page.get_by_role("button", name="Add to cart").click()
    page.goto("/cart/")
    assert page.get_by_role("main").get_by_role("link", name=name).count()
    rows = page.locator("section.reco-slate")
    assert rows.count() >= 1
    assert name not in rows.locator(".name").all_inner_texts()


def test_a_guest_s_taste_survives_registration(page: Page) -> None:
    page.goto("/")
    wanted = departments(page)[-1]
    look_at(page, wanted)
    page.goto("/account/register/")
    page.get_by_label("Username").fill(f"guest{os.getpid()}")
    for field in page.locator("input[type=password]").all():
        field.fill("a-long-enough-phrase-7")
    page.get_by_role("main").get_by_role("button").first.click()
    page.wait_for_url(re.compile("/account/"))
    found = shown_departments(page, PERSONAL)
    assert found[wanted] >= 5, found


def test_a_new_visitor_sees_what_is_popular(page: Page) -> None:
    page.goto("/")
    assert len(names(row(page, "Popular right now"))) == 8


def test_the_shop_works_without_javascript(browser: Browser, shop: str) -> None:
    context = browser.new_context(base_url=shop, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    assert len(names(row(page, "Popular right now"))) == 8
    context.close()


def test_a_picture_of_the_shop(page: Page, tmp_path: Path) -> None:
    """With SCREENSHOT set to a path, this takes the picture the README shows."""
    page.goto("/")
    look_at(page, departments(page)[1])
    page.goto("/")
    row(page, PERSONAL).scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    page.evaluate("window.scrollTo(0, 0)")
    target = Path(os.environ.get("SCREENSHOT") or tmp_path / "shop.png")
    page.screenshot(
        path=target, full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": 1560}
    )
    assert target.stat().st_size > 20_000


def test_nothing_sticks_out_on_a_telephone(browser: Browser, shop: str) -> None:
    context = browser.new_context(base_url=shop, viewport={"width": 360, "height": 740})
    page = context.new_page()
    for path in ("/", "/search/?q=a", "/cart/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    context.close()
