"""A shopper with a photo, and the rows of what looks alike, in a real browser on the demo shop that learnt to see."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

for needed in ("torch", "torchvision", "onnx", "onnxruntime", "PIL"):
    pytest.importorskip(needed)

pytestmark = pytest.mark.usefixtures("normal_scale")
"""A network learns too little from the 120 products of the small demo, and is rejected."""
TRIES = 5
"""The first photo finds its process still loading."""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A mug, drawn as the shop's are, in a red that is its own."""
    from example_shop.demo.drawings import paint
    from example_shop.demo.sketch import Look

    path = tmp_path / "mug.jpg"
    red = Look(colour=(190, 60, 50), accent=(240, 230, 210))
    paint("mug", red).save(path, quality=85)
    return path


def searched(page: Page, file: Path) -> None:
    """Send it, as often as the shop asks to try again."""
    for _ in range(TRIES):
        page.goto("/search/")
        page.locator("input[type=file]").set_input_files(file)
        page.locator(".reco-photo").get_by_role("button", name="Search", exact=True).click()
        page.wait_for_url(re.compile("/reco/photo/"))
        if page.locator("[data-code=busy]").count() == 0:
            return
        page.wait_for_timeout(2_000)


def names(page: Page) -> list[str]:
    return [each.inner_text() for each in page.locator(".reco-slate .name").all()]


def test_a_photo_finds_what_looks_like_it(page: Page, photo: Path) -> None:
    searched(page, photo)
    found = names(page)
    assert len(found) == 8
    assert sum("mug" in name for name in found[:4]) >= 2, found
    assert page.locator(".reco-slate img").first.evaluate("img => img.complete && img.naturalWidth")
    page.locator(".reco-slate a").first.click()
    assert page.get_by_role("heading", level=1).inner_text() in found


def test_what_is_no_picture_is_told_to_the_shopper(
    browser: Browser, shop: str, page: Page, tmp_path: Path
) -> None:
    """In a context of its own: the browser's console complains of a page that answers 400."""
    text = tmp_path / "notes.jpg"
    text.write_text("not a picture")
    context = browser.new_context(base_url=shop, user_agent=page.evaluate("navigator.userAgent"))
    mine = context.new_page()
    searched(mine, text)
    assert "no picture we can open" in mine.get_by_role("alert").inner_text()
    assert mine.locator(".reco-photo").count() == 1
    context.close()


def test_a_product_stands_beside_what_looks_like_it(page: Page) -> None:
    page.goto("/c/living/mugs/")
    links = [str(link.get_attribute("href")) for link in page.locator("ul.grid li a").all()]
    assert links
    for link in links[:3]:
        page.goto(link)
        row = page.get_by_role("region", name="Looks like it")
        if row.count():
            shown = [each.inner_text() for each in row.locator(".name").all()]
            assert shown
            assert all("mug" in name for name in shown), shown
            return
    pytest.fail("no mug has a row of what looks like it")


def test_the_map_of_the_catalogue_can_be_zoomed(page: Page) -> None:
    page.goto("/admin/login/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("fern-and-fable")
    page.get_by_role("button", name="Log in").click()
    page.goto("/admin/reco/picture/map/")
    drawn = page.locator("svg.reco-map image")
    assert drawn.count() > 20
    page.get_by_role("link", name="Top left").click()
    page.wait_for_url(re.compile("part=1-0-0"))
    page.get_by_role("link", name="Zoom out").click()
    assert drawn.count() > 20
    page.get_by_text("As a table").click()
    assert page.get_by_role("row").count() > 20
