"""Text keys, no foreign keys between the tables of three departments, whole cents, no signals."""

from django.db import models


class Article(models.Model):
    sku = models.CharField(max_length=20, primary_key=True)
    label = models.CharField(max_length=80)
    blurb = models.TextField(blank=True)
    category = models.CharField(max_length=10, choices=[("tea", "Tea"), ("pot", "Teapots")])
    maker = models.CharField(max_length=40, blank=True)
    picture_url = models.URLField(blank=True)
    discontinued_at = models.DateTimeField(null=True, blank=True)


class PriceList(models.Model):
    article = models.ForeignKey(Article, models.CASCADE, related_name="prices")
    cents = models.IntegerField()


class WarehouseStock(models.Model):
    sku = models.CharField(max_length=20)
    warehouse = models.CharField(max_length=20)
    amount = models.IntegerField()


class Customer(models.Model):
    number = models.CharField(max_length=20, unique=True)


class SalesOrder(models.Model):
    reference = models.CharField(max_length=20, unique=True)
    customer = models.ForeignKey(Customer, models.PROTECT)
    state = models.IntegerField(choices=[(1, "Open"), (2, "Paid"), (3, "Storniert")])
    ordered_at = models.DateTimeField()


class SalesOrderPosition(models.Model):
    sales_order = models.ForeignKey(SalesOrder, models.CASCADE)
    sku = models.CharField(max_length=20)
    qty = models.IntegerField()
    unit_cents = models.IntegerField()
