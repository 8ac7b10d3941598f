"""Products keyed by integer, or by UUID when BENCH_KEY is 'uuid'."""

from __future__ import annotations

import os
import uuid
from typing import Any

from django.conf import settings
from django.db import models


def product_key() -> models.Field[Any, Any]:
    """The primary key under measurement; the migration uses it too."""
    if os.environ.get("BENCH_KEY", "int") == "uuid":
        return models.UUIDField(primary_key=True, default=uuid.uuid4)
    return models.BigAutoField(primary_key=True)


class Category(models.Model):
    name = models.CharField(max_length=100)
    parent = models.ForeignKey("self", models.CASCADE, null=True)

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    id = product_key()
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    category = models.ForeignKey(Category, models.CASCADE)
    brand = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return f"/p/{self.pk}/"


class StockRecord(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="stockrecords")
    warehouse = models.CharField(max_length=20)
    quantity = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.quantity} in {self.warehouse}"


class Order(models.Model):
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    status = models.CharField(max_length=20, default="paid")
    placed_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"order {self.pk}"


class OrderLine(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.CASCADE)
    quantity = models.IntegerField(default=1)
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.quantity} of {self.product}"
