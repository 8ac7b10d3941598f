"""The demo shop, loaded and trained once, served by a process of its own; and a real browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300
"""Seconds the demo has to load, train and answer its first request."""
SCALE = os.environ.get("DEMO_SCALE") or (
    "normal" if {"SHOP_URL", "PICTURES"} & {*os.environ} else "small"
)
"""Of the demo: small is loaded in seconds, normal is what people start and the pictures show."""
BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(scope="session")
def demo_home() -> Iterator[Path]:
    """Not one of pytest's: each run of pytest that starts on the machine shuts those of all runs to other
    users, such as the one the embedded PostgreSQL runs as for root; it breaks off at its next checkpoint."""
    folder = Path(tempfile.mkdtemp(prefix="reco-demo-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shop(demo_home: Path) -> Iterator[str]:
    """URL of the running demo shop on its generated catalogue; SHOP_URL names one that runs already."""
    if running := os.environ.get("SHOP_URL"):
        yield running
        return
    port, log = _free_port(), demo_home / "demo.log"
    environment = {**os.environ, "DEMO_HOME": str(demo_home)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "example_shop.demo", "--scale", SCALE, "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url, deadline = f"http://127.0.0.1:{port}/", time.monotonic() + PATIENCE
    try:
        while not _answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def normal_scale() -> None:
    """For what needs the many products and shoppers of the demo as people start it."""
    if SCALE == "small":
        pytest.skip("the small demo has too few products and shoppers: set DEMO_SCALE=normal")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium: the one of $CHROMIUM, or the system's."""
    sync_api = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail("No Chromium found: install the package `chromium`, or set CHROMIUM.")
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=BROWSER_FLAGS)


def _said(home: Path) -> str:
    """The ends of what the demo and its database logged."""
    logs = [path for path in (home / "demo.log", home / "postgres" / "log") if path.exists()]
    return "\n".join(f"{path.name}:\n{path.read_text()[-4_000:]}" for path in logs)


@pytest.fixture
def page(browser: Browser, shop: str, demo_home: Path) -> Iterator[Page]:
    """A fresh visitor's page, on which nothing may go wrong in the console."""
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36"
    context = browser.new_context(
        base_url=shop, user_agent=agent, viewport={"width": 1280, "height": 900}
    )
    complaints: list[str] = []
    page = context.new_page()
    page.on(
        "console",
        lambda message: message.type == "error" and complaints.append(message.text),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == [], _said(demo_home)
