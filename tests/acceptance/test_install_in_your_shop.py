"""The how-to `install-in-your-shop`, followed to the letter in a project fresh from startproject.

A shop with text keys, stock and prices in tables of their own, and no signals. The commands are read
from the page; what they print is pasted where they say.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

PAGE = Path(__file__).parents[2] / "docs/howto/install-in-your-shop.md"
MINUTES = 5

MODELS = """
from django.contrib.auth.models import User
from django.db import models


class Section(models.Model):
    code = models.CharField(max_length=10, primary_key=True)
    label = models.CharField(max_length=60)
    above = models.ForeignKey("self", models.SET_NULL, null=True)

    def __str__(self):
        return self.label


class Article(models.Model):
    article_no = models.CharField(max_length=20, primary_key=True)
    label = models.CharField(max_length=120)
    section = models.ForeignKey(Section, models.PROTECT)
    listed = models.BooleanField(default=True)


class PriceTag(models.Model):
    article = models.OneToOneField(Article, models.CASCADE)
    cents = models.IntegerField()


class StockLevel(models.Model):
    article_no = models.CharField(max_length=20)
    depot = models.CharField(max_length=20)
    on_hand = models.IntegerField()


class Sale(models.Model):
    sale_no = models.CharField(max_length=20, unique=True)
    buyer = models.ForeignKey(User, models.SET_NULL, null=True)
    buyer_mail = models.EmailField()
    state = models.CharField(max_length=12)
    sold_at = models.DateTimeField()


class SaleLine(models.Model):
    sale = models.ForeignKey(Sale, models.CASCADE)
    article = models.ForeignKey(Article, models.PROTECT)
    pieces = models.IntegerField()
    each_cents = models.IntegerField()
"""

VIEWS = """
from django.shortcuts import get_object_or_404, render

from warehouse.models import Article


def home(request):
    return render(request, "home.html")


def article(request, no):
    return render(request, "article.html", {"product": get_object_or_404(Article, pk=no)})
"""

URLS = """
from django.urls import path

from warehouse import views

urlpatterns = [
    path("", views.home, name="home"),
    path("a/<str:no>/", views.article, name="article-page"),
]
"""

PAST = """
import datetime as dt, random
import django; django.setup()
from django.contrib.auth.models import User
from django.utils import timezone
from warehouse.models import Article, PriceTag, Sale, SaleLine, Section, StockLevel
dice = random.Random(1)
top = Section.objects.create(code="H", label="Home")
shelves = [Section.objects.create(code=c[:3], label=c, above=top) for c in ("Lamps", "Pots", "Pens", "Rugs")]
articles = [
    Article(article_no=f"{one.code} {n:03d}", label=f"{one.label} {n}", section=one, listed=n != 3)
    for one in shelves for n in range(30)
]
Article.objects.bulk_create(articles)
PriceTag.objects.bulk_create([PriceTag(article=one, cents=990) for one in articles])
StockLevel.objects.bulk_create(
    [StockLevel(article_no=one.pk, depot=d, on_hand=3 * (d == "N" and n != 4))
     for n, one in enumerate(articles) for d in "NS"]
)
User.objects.bulk_create([User(username=f"u{n}") for n in range(200)])
lines = []
for person in User.objects.all():
    liked = dice.sample(range(4), 1)[0]
    for turn in range(3):
        sale = Sale.objects.create(
            sale_no=f"S{person.pk}-{turn}", buyer=person, buyer_mail=f"{person.pk}@x.example",
            state=dice.choice(["paid", "shipped", "paid", "open", "cancelled"]),
            sold_at=timezone.now() - dt.timedelta(days=dice.uniform(1, 200)),
        )
        lines += [
            SaleLine(sale=sale, article=articles[liked * 30 + int(30 * dice.random() ** 2)], pieces=1,
                     each_cents=990)
            for _ in range(4)
        ]
SaleLine.objects.bulk_create(lines)
"""

LOOK = """
import re
import django; django.setup()
from django.test import Client
client = Client(headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"})
for page in ("/", "/a/Lam%20001/"):
    told = client.get(page).content.decode()
    print(len(re.findall("<li", told)), told.count("9.90"), "Lamps 3<" in told, "Lamps 4<" in told)
"""


@pytest.fixture
def database() -> Iterator[str]:
    url, name = os.environ["RECO_TEST_DATABASE_URL"], f"install_{os.getpid()}"
    if url == "sqlite":
        pytest.skip("needs PostgreSQL")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        yield name
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class Shop:
    """Somebody else's project, and a person who types in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def types(self, *words: str, ends_with: tuple[int, ...] = (0,)) -> str:
        left_out = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH")
        environment = {name: value for name, value in os.environ.items() if name not in left_out}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in ends_with, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def runs(self, program: str) -> list[str]:
        setup = 'import os; os.environ["DJANGO_SETTINGS_MODULE"] = "bookish.settings"\n'
        return self.types("-c", setup + program).splitlines()

    def appends(self, name: str, text: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write("\n" + text)


@pytest.fixture
def shop(tmp_path: Path, database: str) -> Shop:
    shop = Shop(tmp_path)
    shop.types("-m", "django", "startproject", "bookish", ".")
    shop.types("manage.py", "startapp", "warehouse")
    place = conninfo_to_dict(os.environ["RECO_TEST_DATABASE_URL"])
    entry = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database,
        "USER": place.get("user", ""),
        "PASSWORD": place.get("password", ""),
        "HOST": place.get("host", ""),
        "PORT": str(place.get("port", "")),
    }
    shop.appends(
        "bookish/settings.py",
        f'DATABASES = {{"default": {entry!r}}}\nINSTALLED_APPS += ["warehouse"]\nALLOWED_HOSTS = ["*"]\n',
    )
    (tmp_path / "warehouse/models.py").write_text(MODELS)
    (tmp_path / "warehouse/views.py").write_text(VIEWS)
    (tmp_path / "bookish/urls.py").write_text(URLS)
    (tmp_path / "warehouse/templates").mkdir()
    (tmp_path / "warehouse/templates/home.html").write_text("<h1>Shop</h1>")
    (tmp_path / "warehouse/templates/article.html").write_text("<h1>{{ product.label }}</h1>")
    shop.types("manage.py", "makemigrations", "warehouse")
    shop.types("manage.py", "migrate")
    shop.runs(PAST)
    return shop


def commands() -> list[list[str]]:
    """What the page says to type, in its order."""
    typed = re.findall(r"^\$ python (.+)$", PAGE.read_text(), re.MULTILINE)
    told = [shlex.split(line, comments=True) for line in typed if "pip install" not in line]
    return [[word.replace("shop.Product", "warehouse.Article") for word in line] for line in told]


def printed(told: str, title: str) -> str:
    """The lines below one of the headings that reco_init prints."""
    return told.partition(title + "\n")[2].partition("\n\nAt the end")[0].partition("In your")[0]


def tags() -> dict[str, str]:
    """The two template snippets of the page, by kind."""
    found = re.findall(r"^```django\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return {"home": found[0], "article": found[1]}


@pytest.mark.lightfm
def test_a_stranger_has_recommendations_in_five_minutes(shop: Shop) -> None:
    typed = commands()
    assert [line[-1] for line in typed] == [
        "warehouse.Article", "--write", "check", "migrate", "reco_backfill", "reco_train",
        "reco_doctor",
    ]  # fmt: skip
    look, write, check, migrate, backfill, train, ask = typed
    began = time.monotonic()
    assert "sure   product.title = label" in shop.types(*look)
    told = shop.types(*write)
    shop.appends("bookish/settings.py", printed(told, "At the end of your settings"))
    shop.appends("bookish/urls.py", printed(told, "At the end of your urls.py"))
    assert "no issues" in shop.types(*check)
    shop.types(*migrate)
    assert "popular products in" in shop.types(*backfill)
    shop.appends("warehouse/templates/home.html", tags()["home"])
    shop.appends("warehouse/templates/article.html", tags()["article"])
    # eight tiles with their prices on each page, none of what is unlisted or out of stock
    assert shop.runs(LOOK) == ["8 8 False False"] * 2
    assert "personal: published" in shop.types(*train)
    assert shop.runs(LOOK) == ["8 8 False False"] * 2
    shop.types("manage.py", "reco_tick")
    answers = shop.types(*ask)
    took = time.monotonic() - began
    assert re.search(r"^  personal: \d+ %, good\. .*; a run is live$", answers, re.MULTILINE), (
        answers
    )
    assert "FAIL" not in answers
    assert took < MINUTES * 60, f"{took:.0f} s"


def test_the_page_shows_what_the_command_prints() -> None:
    page = PAGE.read_text()
    for line in (
        "RECO_CATALOG = ",
        "RECO_ORDERS = ",
        "RECO_ARTEFACT_DIR = BASE_DIR",
        "MIDDLEWARE += ",
    ):
        assert line in page
    assert textwrap.dedent(page).count("```") % 2 == 0
