"""{% recommend %}: what it renders, and that it never breaks a page."""

from __future__ import annotations

import re

import pytest
import servingshop as ss
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.template import Context, Template, TemplateSyntaxError
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject
from testapp.models import Product
from testapp.reco import TestCatalog

from reco_plugin import capture
from reco_plugin.models import Impression
from reco_plugin.serving import pointers, recommend
from reco_plugin.types import Slate

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh():
    pointers.forget()
    yield
    pointers.forget()


@pytest.fixture
def shop() -> ss.Shop:
    made = ss.Shop(products=ss.products(6))
    ss.publish(made)
    ss.rank(made, {"": [0, 1, 2, 3], "Women": [4]})
    return made


def render(text: str, **context) -> str:
    return Template("{% load reco %}" + text).render(Context(context))


def test_an_accessible_list(shop):
    html = render(
        '{% recommend "popular" limit=3 title=title %}', request=ss.request(), title="Hot <now>"
    )
    heading = re.search(r'aria-labelledby="(reco-[^"]+)"', html).group(1)
    assert f'id="{heading}"' in html
    assert "Hot &lt;now&gt;" in html
    assert html.count("<li ") == 3
    assert html.count('rel="nofollow"') == 3
    assert "Thing 0" in html
    assert "1.00" in html
    assert "<script" not in html
    assert "style=" not in html


def test_pictures_are_lazy_and_described(shop, monkeypatch):
    monkeypatch.setattr(TestCatalog, "image_url", lambda self, product: "/m/a&b.png")
    html = render('{% recommend "popular" limit=1 %}')
    assert 'src="/m/a&amp;b.png" alt="Thing 0" loading="lazy"' in html


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", " java\nscript:alert(1)", "data:text/html,x"]
)
def test_an_address_that_runs_a_script_is_left_out(shop, monkeypatch, url):
    monkeypatch.setattr(Product, "get_absolute_url", lambda self: url)
    html = render('{% recommend "popular" limit=1 %}')
    assert 'href=""' in html
    assert "script:" not in html


def test_without_a_request_links_are_plain_and_nothing_is_recorded(shop):
    html = render('{% recommend "popular" limit=2 %}')
    assert f'href="/p/{shop.products[0].pk}/"' in html
    assert "nofollow" not in html
    assert not Impression.objects.exists()


def test_robots_get_plain_links(shop):
    request = ss.request()
    request.META["HTTP_USER_AGENT"] = "Googlebot/2.1"
    assert "nofollow" not in render('{% recommend "popular" %}', request=request)


def test_the_heading_promises_no_more_than_the_rung_kept(shop):
    assert "Popular right now" in render('{% recommend "personal" %}')
    assert "You may also like" in render(
        '{% recommend "personal" product=product %}', product=shop.products[2]
    )


def test_into_a_variable(shop):
    html = render(
        '{% recommend "popular" limit=2 as slate %}{{ slate|length }}'
        "{% for item in slate %}[{{ item.product }} {% reco_href slate item %}]{% endfor %}"
    )
    assert html.startswith("2[Thing 0 /p/")


def test_an_own_template(shop, tmp_path, settings):
    (tmp_path / "shelf.html").write_text("{{ title }}: {{ tiles|length }} of {{ site_name }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    html = render(
        '{% recommend "popular" template="shelf.html" title="T" limit="2" %}', site_name="me"
    )
    assert html == "T: 2 of me", "it sees what the page's own template sees"


def test_nothing_to_show_renders_nothing():
    assert render('{% recommend "personal" %}', request=ss.request()) == ""
    assert render("{% recommend %}") == ""


@pytest.mark.parametrize(
    "text",
    [
        '{% recommend "tastiest" %}',
        '{% recommend "popular" limit="many" %}',
        "{% recommend missing %}",
        '{% recommend "popular" template="no/such.html" %}',
        '{% recommend "popular" exclude=missing product=missing category=missing %}',
    ],
)
def test_it_never_raises(shop, text):
    assert isinstance(render(text), str)


def test_errors_show_in_development(shop, settings):
    settings.RECO_DEBUG_RAISE = True
    with pytest.raises(ValueError, match="kind of slate"):
        render('{% recommend "tastiest" %}')


def test_a_variable_is_set_even_after_an_error(shop):
    assert (
        render('{% recommend "tastiest" as s %}{% for i in s %}x{% empty %}none{% endfor %}')
        == "none"
    )


def test_unknown_options_are_refused_when_the_template_is_read():
    with pytest.raises(TemplateSyntaxError, match="does not know 'lmit'"):
        render('{% recommend "popular" lmit=3 %}')


def test_a_product_that_cannot_be_shown_is_left_out(shop, monkeypatch):
    before = TestCatalog.image_url

    def image_url(self, product: Product) -> str:
        if product.label == "Thing 1":
            raise OSError("no picture")
        return before(self, product)

    monkeypatch.setattr(TestCatalog, "image_url", image_url)
    html = render('{% recommend "popular" limit=3 %}')
    assert "Thing 0" in html
    assert "Thing 1" not in html


def breaks_in_sql(*_: object) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    return "never"


def test_a_tile_that_breaks_in_sql_leaves_the_shops_transaction_usable(shop, monkeypatch):
    monkeypatch.setattr(TestCatalog, "image_url", breaks_in_sql)
    with transaction.atomic():
        assert render('{% recommend "popular" limit=3 %}') == ""
        assert Product.objects.exists()


@pytest.mark.parametrize("what", ["user", "exclude"])
def test_what_a_slate_is_asked_with_may_break_in_sql(shop, what):
    request = ss.request()
    request.user = SimpleLazyObject(breaks_in_sql) if what == "user" else AnonymousUser()
    exclude = (breaks_in_sql() for _ in range(1)) if what == "exclude" else ()
    with transaction.atomic():
        recommend("popular", request=request, exclude=exclude)
        assert Product.objects.exists()


def test_a_page_without_our_urls_links_to_the_products(shop, settings):
    settings.ROOT_URLCONF = "servingcart"
    from django.urls import set_urlconf

    set_urlconf("servingcart")
    try:
        html = render('{% recommend "popular" limit=1 %}', request=ss.request())
    finally:
        set_urlconf(None)
    assert f'href="/p/{shop.products[0].pk}/"' in html


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="counts what pgvector reads")
def test_rendering_a_personal_slate_reads_three_times(shop, monkeypatch):
    monkeypatch.setattr(capture, "identify", lambda request: shop.shopper)
    shop.viewed(2)
    render('{% recommend "personal" limit=2 %}', request=ss.request())
    with CaptureQueriesContext(connection) as captured:
        html = render('{% recommend "personal" limit=2 record=False %}', request=ss.request())
    assert "reco-slate--personal" in html
    assert sum(" FROM " in query["sql"] for query in captured) == 3


def test_slates_are_values(shop):
    from reco_plugin.serving import recommend

    assert isinstance(recommend("popular"), Slate)
