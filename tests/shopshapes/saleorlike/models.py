"""Laid out as Saleor lays out products, channels, warehouses and orders."""

import uuid

from django.conf import settings
from django.db import models


class Channel(models.Model):
    slug = models.SlugField()


class Category(models.Model):
    name = models.CharField(max_length=250)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")


class ProductType(models.Model):
    name = models.CharField(max_length=250)


class Product(models.Model):
    product_type = models.ForeignKey(ProductType, models.CASCADE)
    name = models.CharField(max_length=250)
    slug = models.SlugField(unique=True)
    description = models.JSONField(null=True)
    description_plaintext = models.TextField(blank=True)
    category = models.ForeignKey(Category, models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    default_variant = models.OneToOneField(
        "ProductVariant", models.SET_NULL, null=True, related_name="+"
    )
    rating = models.FloatField(null=True)


class ProductChannelListing(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="channel_listings")
    channel = models.ForeignKey(Channel, models.CASCADE)
    is_published = models.BooleanField(default=False)
    published_at = models.DateTimeField(null=True)
    discounted_price_amount = models.DecimalField(max_digits=12, decimal_places=3, null=True)


class ProductVariant(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="variants")
    sku = models.CharField(max_length=255, null=True, unique=True)
    name = models.CharField(max_length=255, blank=True)
    track_inventory = models.BooleanField(default=True)
    weight = models.FloatField(null=True)


class ProductVariantChannelListing(models.Model):
    variant = models.ForeignKey(ProductVariant, models.CASCADE, related_name="channel_listings")
    channel = models.ForeignKey(Channel, models.CASCADE)
    currency = models.CharField(max_length=3)
    price_amount = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    cost_price_amount = models.DecimalField(max_digits=12, decimal_places=3, null=True)


class ProductMedia(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="media", null=True)
    image = models.FileField(upload_to="products", null=True)
    type = models.CharField(max_length=32, default="IMAGE")


class Warehouse(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=250)


class Stock(models.Model):
    warehouse = models.ForeignKey(Warehouse, models.CASCADE)
    product_variant = models.ForeignKey(ProductVariant, models.CASCADE, related_name="stocks")
    quantity = models.IntegerField(default=0)
    quantity_allocated = models.IntegerField(default=0)


class Order(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    number = models.IntegerField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    status = models.CharField(
        max_length=32,
        default="unfulfilled",
        choices=[
            ("draft", "Draft"),
            ("unconfirmed", "Unconfirmed"),
            ("unfulfilled", "Unfulfilled"),
            ("fulfilled", "Fulfilled"),
            ("returned", "Returned"),
            ("canceled", "Canceled"),
            ("expired", "Expired"),
        ],
    )
    charge_status = models.CharField(
        max_length=32,
        default="none",
        choices=[
            ("none", "Not charged"),
            ("partial", "Partially charged"),
            ("full", "Fully charged"),
        ],
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    user_email = models.EmailField(blank=True)
    currency = models.CharField(max_length=3, default="EUR")


class OrderLine(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    variant = models.ForeignKey(ProductVariant, models.SET_NULL, null=True)
    quantity = models.IntegerField()
    quantity_fulfilled = models.IntegerField(default=0)
    unit_price_gross_amount = models.DecimalField(max_digits=12, decimal_places=3)
    unit_price_net_amount = models.DecimalField(max_digits=12, decimal_places=3)


class Fulfillment(models.Model):
    order = models.ForeignKey(Order, models.CASCADE)


class FulfillmentLine(models.Model):
    order_line = models.ForeignKey(OrderLine, models.CASCADE)
    fulfillment = models.ForeignKey(Fulfillment, models.CASCADE)
    quantity = models.PositiveIntegerField()


class Checkout(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)


class CheckoutLine(models.Model):
    checkout = models.ForeignKey(Checkout, models.CASCADE)
    variant = models.ForeignKey(ProductVariant, models.CASCADE)
    quantity = models.PositiveIntegerField()
