"""The shop's own tests. They know nothing of recommendations, but for the last one."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.test import TestCase, TransactionTestCase, override_settings
from django.utils import timezone

from keyshops.integer.models import Line, Product
from reco_plugin.models import Interaction, Item

FIREFOX = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


class Pages(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.boots = Product.objects.create(name="Boots", category="Shoes")

    def test_pages(self) -> None:
        assert self.client.get(self.boots.get_absolute_url()).status_code == 200
        assert self.client.get("/").status_code == 200

    @override_settings(RECO_ENABLED=False)
    def test_queries_of_a_page(self) -> None:
        with self.assertNumQueries(1):
            self.client.get(self.boots.get_absolute_url(), headers=FIREFOX)

    def test_deletion(self) -> None:
        user = get_user_model().objects.create_user("ann")
        user.delete()
        self.boots.delete()
        assert not Product.objects.exists()


class Orders(TransactionTestCase):
    def test_order(self) -> None:
        pen = Product.objects.create(name="Pen")
        Line.objects.create(
            product=pen, order_number=1, customer="ann", placed_at=timezone.now(), quantity=2
        )
        pen.delete()
        assert Line.objects.get().product is None
        assert not Item.objects.exists()

    def test_views_are_recorded(self) -> None:
        pen = Product.objects.create(name="Pen")
        self.client.get(pen.get_absolute_url(), headers=FIREFOX)
        assert Interaction.objects.get().product_id == pen.pk
