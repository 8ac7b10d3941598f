"""Shoppers over HTTP: they look around, follow recommendations, fill a cart and buy."""

from __future__ import annotations

import http.client
import http.cookiejar
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import dataclass, field

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36"
PRODUCT = re.compile(r'href="(/p/\d+/[^"/]+/)"')
TILE = re.compile(r'href="(/reco/c/[^"]+/)"')
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
CHOICE = re.compile(r'name="product"[^>]*value="(\d+)"|<option value="(\d+)"')
ORDER = re.compile(r"\bS[0-9A-F]{10}\b")
PAUSE_SECONDS = 0.15
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


@dataclass(kw_only=True)
class Diary:
    """What all shoppers saw; shared by their threads."""

    statuses: Counter[str] = field(default_factory=Counter)
    """Answers by status, 'unreachable' where there was none."""
    orders: set[str] = field(default_factory=set)
    """Numbers of the orders they were thanked for."""
    views: int = 0
    clicks: int = 0
    tiles: int = 0
    """Pages that showed at least one recommendation."""
    pages: int = 0
    errors: list[str] = field(default_factory=list)
    """Where the shop answered with an error, of whatever kind."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Visit:
    """One person with a cookie jar."""

    def __init__(self, url: str, diary: Diary, chance: random.Random) -> None:
        self.url, self.diary, self.chance = url, diary, chance
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self._opener.addheaders = [("User-Agent", AGENT), ("Accept", "text/html")]

    def go(self) -> None:
        """Some pages, perhaps an order."""
        page = self._open("/")
        for _ in range(self.chance.randint(2, 6)):
            page = self._wander(page) or self._open("/")
            if page and self.chance.random() < 0.3:
                self._add(page)
        if self.chance.random() < 0.6:
            self._buy()

    def _wander(self, page: str) -> str:
        tiles, products = TILE.findall(page), PRODUCT.findall(page)
        if tiles and (not products or self.chance.random() < 0.5):
            found = self._open(self.chance.choice(tiles))
            self._note(clicks=bool(found), views=bool(found))
            return found
        if not products:
            return ""
        found = self._open(self.chance.choice(products))
        self._note(views=bool(found))
        return found

    def _add(self, page: str) -> None:
        token = TOKEN.search(page)
        choices = [one or other for one, other in CHOICE.findall(page)]
        if token and choices:
            form = {"csrfmiddlewaretoken": token[1], "product": self.chance.choice(choices)}
            self._open("/cart/add/", form)

    def _buy(self) -> None:
        token = TOKEN.search(page := self._open("/checkout/"))
        if not token or 'name="address"' not in page:
            return
        form = {
            "csrfmiddlewaretoken": token[1],
            "name": "Soak Test",
            "email": "soak@example.com",
            "address": "1 Long Lane",
        }
        if found := ORDER.search(self._open("/checkout/", form)):
            with self.diary.lock:
                self.diary.orders.add(found[0])

    def _open(self, path: str, form: dict[str, str] | None = None) -> str:
        """The page, or '' where there is none."""
        body = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self._opener.open(self.url + path, body, timeout=30) as answer:
                page = str(answer.read().decode())
                self._tell(str(answer.status), path, page)
                return page
        except urllib.error.HTTPError as error:
            self._tell(str(error.code), path, "")
        except BROKEN:
            self._tell("unreachable", path, "")
        return ""

    def _tell(self, status: str, path: str, page: str) -> None:
        with self.diary.lock:
            self.diary.statuses[status] += 1
            self.diary.pages += bool(page)
            self.diary.tiles += bool(TILE.search(page))
            if status[0] in "45":
                self.diary.errors.append(f"{time.strftime('%H:%M:%S')} {status} {path}")
        time.sleep(self.chance.expovariate(1 / PAUSE_SECONDS))

    def _note(self, *, views: bool = False, clicks: bool = False) -> None:
        with self.diary.lock:
            self.diary.views += views
            self.diary.clicks += clicks


def crowd(
    url: str, people: int, diary: Diary, until: threading.Event, seed: int
) -> list[threading.Thread]:
    """`people` threads, each one visitor after another until told to stop."""

    def visit(number: int) -> None:
        chance = random.Random(f"{seed}:{number}")
        while not until.is_set():
            Visit(url, diary, chance).go()

    threads = [
        threading.Thread(target=visit, args=[number], daemon=True) for number in range(people)
    ]
    for thread in threads:
        thread.start()
    return threads
