from __future__ import annotations

from urllib.parse import quote

from django.db import models


class Article(models.Model):
    """Its name has no place in our migrations, nor has its key's type."""

    sku = models.CharField(max_length=40, primary_key=True)
    name = models.CharField(max_length=100)
    category = models.CharField(max_length=100, default="")

    def get_absolute_url(self) -> str:
        return f"/product/?key={quote(self.pk, safe='')}"


class Line(models.Model):
    product = models.ForeignKey(Article, models.SET_NULL, null=True)
    order_number = models.IntegerField()
    customer = models.CharField(max_length=40)
    quantity = models.IntegerField(default=1)
    placed_at = models.DateTimeField()
