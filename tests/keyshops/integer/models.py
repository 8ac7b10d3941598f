from __future__ import annotations

from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=100)
    category = models.CharField(max_length=100, default="")
    is_active = models.BooleanField(default=True)
    stock = models.IntegerField(default=1)

    def get_absolute_url(self) -> str:
        return f"/product/?key={self.pk}"


class Line(models.Model):
    product = models.ForeignKey(Product, models.SET_NULL, null=True)
    order_number = models.IntegerField()
    customer = models.CharField(max_length=40)
    quantity = models.IntegerField(default=1)
    placed_at = models.DateTimeField()
