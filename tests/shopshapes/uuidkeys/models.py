"""UUID keys; price and stock of a variant; a gallery; categories through a model; paid is a flag."""

import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse


class Kind(models.Model):
    title = models.CharField(max_length=50)
    above = models.ForeignKey("self", models.SET_NULL, null=True)

    def __str__(self):
        return self.title


class Product(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    product_name = models.CharField(max_length=50)
    categories = models.ManyToManyField(Kind, through="Placement")
    published = models.DateField(null=True)
    published_at = models.DateTimeField(null=True)
    visible = models.BooleanField(default=True)

    @property
    def detail(self):
        return reverse("product", args=[self.pk])


class Placement(models.Model):
    product = models.ForeignKey(Product, models.CASCADE)
    kind = models.ForeignKey(Kind, models.CASCADE)
    position = models.IntegerField(default=0)


class Variant(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    product = models.ForeignKey(Product, models.CASCADE, related_name="variants")
    sale_price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    purchase_price = models.DecimalField(max_digits=8, decimal_places=2, default=1)
    stock = models.IntegerField(default=0)
    track_stock = models.BooleanField(default=True)


class ProductPhoto(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="photos")
    file = models.FileField(upload_to="p")


class Purchase(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    session_key = models.CharField(max_length=40, blank=True)
    is_paid = models.BooleanField(default=False)
    modified = models.DateTimeField(auto_now=True)
    created = models.DateTimeField(auto_now_add=True)


class PurchasedItem(models.Model):
    purchase = models.ForeignKey(Purchase, models.CASCADE)
    variant = models.ForeignKey(Variant, models.PROTECT)
    count = models.IntegerField(default=1)
    paid_price = models.DecimalField(max_digits=8, decimal_places=2)
