"""An operator with a real browser: look, compare, make live, take back, start a job."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 180
"""Seconds until a job that was asked for must be done."""
PAGES = (
    "/admin/reco/",
    "/admin/reco/run/",
    "/admin/reco/run/over-time/",
    "/admin/reco/run/tuning/",
    "/admin/reco/job/",
    "/admin/reco/job/of/popular/",
    "/admin/reco/job/readiness/",
    "/admin/reco/job/settings/",
    "/admin/reco/joblog/",
    "/admin/reco/interaction/",
    "/admin/reco/interaction/dropped/",
    "/admin/reco/item/",
    "/admin/reco/placement/",
    "/admin/reco/placement/add/",
    "/admin/reco/manuallink/",
    "/admin/reco/manuallink/add/",
)


@pytest.fixture
def operator(page: Page) -> Page:
    """The shop's administrator, logged in; `page` minds the console."""
    page.goto("/account/login/")
    password = page.locator(".hint code").first.inner_text()
    page.goto("/admin/login/?next=/admin/reco/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    return page


def runs_of(page: Page, kind: str) -> list[int]:
    """Numbers of the published runs of a kind, newest first."""
    page.goto(f"/admin/reco/run/?kind={kind}&status__exact=published")
    links = page.locator("#result_list tbody th a").all_inner_texts()
    return [int(re.match(r"\d+", text)[0]) for text in links]  # type: ignore[index]


def start_and_wait(page: Page, job: str) -> None:
    """Press the button; wait until a worker has done it."""
    page.goto(f"/admin/reco/job/of/{job}/")
    until = time.monotonic() + PATIENCE
    button = page.get_by_role("button", name="Start now")
    while not button.count() and time.monotonic() < until:  # it may just be at work
        page.wait_for_timeout(1_000)
        page.reload()
    before = page.locator("#reco-executions ~ .reco-scroll tbody tr").count()
    button.click()
    assert "was asked for" in page.locator(".messagelist").inner_text()
    deadline = time.monotonic() + PATIENCE
    while page.locator("#reco-executions ~ .reco-scroll tbody tr").count() == before:
        assert time.monotonic() < deadline, page.locator("#content-main").inner_text()
        page.wait_for_timeout(1_000)
        page.goto(f"/admin/reco/job/of/{job}/")
    newest = page.locator("#reco-executions ~ .reco-scroll tbody tr").first
    assert "done" in newest.inner_text()


def live(page: Page) -> int:
    """Which popular run the overview says is live."""
    page.goto("/admin/reco/")
    card = page.locator(".reco-card", has=page.get_by_role("heading", name="Popular"))
    return int(card.get_by_role("link").first.inner_text().removeprefix("Run "))


def test_from_a_job_to_another_live_run_and_back(operator: Page) -> None:
    start_and_wait(operator, "popular")
    newer, older, *_ = runs_of(operator, "popular")
    assert live(operator) == newer

    runs_of(operator, "popular")
    for number in (newer, older):
        operator.get_by_role("row", name=re.compile(rf"\b{number} · popular")).get_by_role(
            "checkbox"
        ).check()
    operator.locator("select[name=action]").select_option(label="Compare two runs")
    operator.locator(".actions button").first.click()
    assert operator.get_by_role("heading", level=1).inner_text() == (
        f"Runs {older} and {newer} side by side"
    )
    assert operator.locator("tr.reco-differs", has_text="Started").count() == 1

    operator.get_by_role("link", name=f"Run {older}").first.click()
    operator.get_by_role("link", name="Make it live").click()
    assert live(operator) == newer  # the question alone changes nothing
    operator.go_back()
    operator.get_by_role("button", name="Yes, make it live").click()
    assert f"Run {older} is live now." in operator.locator(".messagelist").inner_text()
    assert live(operator) == older

    operator.goto(f"/admin/reco/run/{older}/change/")
    operator.get_by_role("link", name="Roll back").click()
    operator.get_by_role("button", name="Yes, go back").click()
    assert f"Back to run {newer}" in operator.locator(".messagelist").inner_text()
    assert live(operator) == newer
    operator.goto(f"/admin/reco/run/{newer}/history/")
    assert "which is live again" in operator.locator("#change-history").inner_text()


def test_the_doctor_looks_when_asked(operator: Page) -> None:
    operator.goto("/admin/reco/job/readiness/")
    assert operator.locator(".reco-findings li").count() == 0
    operator.get_by_role("button", name="Look now").click()
    assert operator.locator(".reco-findings li").count() > 3


def test_what_a_shopper_did_is_found_by_name(operator: Page) -> None:
    operator.goto("/admin/reco/interaction/")
    link = operator.locator(".field-product_title a")
    row = operator.locator("#result_list tbody tr", has=link).first  # a search has no product
    product = row.locator(".field-product_title").inner_text()
    row.locator(".field-product_title a").click()
    found = operator.locator("#result_list .field-product_title").all_inner_texts()
    assert set(found) == {product}


def open_placement(page: Page, name: str) -> None:
    page.goto(f"/admin/reco/placement/?q={name}")
    page.get_by_role("link", name=name, exact=True).click()


def shows(page: Page, heading: str) -> bool:
    """Does the shop's home page have a row of that name, within the seconds a process remembers?"""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        page.goto("/")
        if page.get_by_role("heading", name=heading, exact=True).count():
            return True
        page.wait_for_timeout(1_000)
    return False


def test_a_merchandiser_changes_what_stands_on_a_page(operator: Page) -> None:
    open_placement(operator, "home_trending")
    operator.get_by_role("link", name="Preview").click()
    assert operator.locator("tbody tr").count() >= 1
    operator.go_back()
    operator.get_by_label("Heading").fill("Hot today")
    operator.get_by_label("kind 1", exact=True).first.select_option(label="popular")
    operator.get_by_label("Most products").fill("3")
    operator.get_by_role("button", name="Save", exact=True).click()
    assert "was changed successfully" in operator.locator(".messagelist").inner_text()
    assert shows(operator, "Hot today")
    assert operator.get_by_role("region", name="Hot today").locator(".card").count() == 3

    open_placement(operator, "home_trending")
    operator.get_by_label("Fewest products").fill("9")
    operator.get_by_role("button", name="Save", exact=True).click()
    assert "nothing would ever be shown" in operator.locator(".errornote + .errorlist").inner_text()

    operator.goto("/admin/reco/placement/?q=home_trending")
    operator.get_by_role("row", name=re.compile("home_trending")).get_by_role("checkbox").check()
    operator.locator("select[name=action]").select_option(label="Make as it came with the app")
    operator.locator(".actions button").first.click()
    open_placement(operator, "home_trending")
    assert operator.get_by_label("Heading").input_value() == ""
    operator.get_by_role("link", name="History").click()
    assert "Made as it came" in operator.locator("#change-history").inner_text()


@pytest.fixture
def telephone(browser: Browser, operator: Page) -> Iterator[Page]:
    """The same operator on a small screen, in the dark."""
    context = browser.new_context(
        base_url=operator.url.split("/admin")[0],
        storage_state=operator.context.storage_state(),
        viewport={"width": 360, "height": 740},
        color_scheme="dark",
    )
    yield context.new_page()
    context.close()


def test_nothing_sticks_out_on_a_telephone(operator: Page, telephone: Page) -> None:
    newest = runs_of(operator, "personal")[0]
    for path in (*PAGES, f"/admin/reco/run/{newest}/change/"):
        response = telephone.goto(path)
        assert response is not None
        assert response.status == 200, path
        assert telephone.evaluate("document.documentElement.scrollWidth") <= 360, path


NAMELESS = """() => [...document.querySelectorAll('main a, main button, main svg[role=img], .reco-row > *')]
    .filter(e => !(e.matches('.reco-row > *') ? '' : e.textContent.trim())
        && !(e.getAttribute('aria-label') || e.title))
    .map(e => e.outerHTML.slice(0, 120))"""
LEVELS = "() => [...document.querySelectorAll('main h1, main h2, main h3')].map(e => +e.tagName[1])"


def test_every_control_has_a_name_and_headings_skip_no_level(operator: Page) -> None:
    """What a screen reader would say of links, buttons and drawings is never nothing."""
    for path in PAGES:
        operator.goto(path)
        assert operator.evaluate(NAMELESS) == [], path
        levels = operator.evaluate(LEVELS)
        assert levels[0] == 1, path
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), path
