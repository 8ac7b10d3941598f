"""Laid out as django-oscar lays out its catalogue, partner and order apps."""

from django.conf import settings
from django.db import models


class Category(models.Model):
    """A treebeard node: no parent column, get_ancestors() instead."""

    path = models.CharField(max_length=255, unique=True)
    depth = models.PositiveIntegerField()
    numchild = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=255)
    is_public = models.BooleanField(default=True)

    def __str__(self):
        return self.name

    def get_ancestors(self):
        steps = [self.path[: 4 * n] for n in range(1, self.depth)]
        return Category.objects.filter(path__in=steps).order_by("path")


class ProductClass(models.Model):
    name = models.CharField(max_length=128)
    track_stock = models.BooleanField(default=True)


class Product(models.Model):
    structure = models.CharField(
        max_length=10,
        choices=[("standalone", "Stand-alone"), ("parent", "Parent"), ("child", "Child")],
        default="standalone",
    )
    is_public = models.BooleanField(default=True)
    upc = models.CharField(max_length=64, null=True, unique=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    title = models.CharField(max_length=255, blank=True)
    slug = models.SlugField(max_length=255)
    description = models.TextField(blank=True)
    product_class = models.ForeignKey(ProductClass, models.PROTECT, null=True)
    recommended_products = models.ManyToManyField("self", through="ProductRecommendation")
    rating = models.FloatField(null=True)
    date_created = models.DateTimeField(auto_now_add=True)
    date_updated = models.DateTimeField(auto_now=True)
    categories = models.ManyToManyField(Category, through="ProductCategory")
    is_discountable = models.BooleanField(default=True)

    def get_title(self):
        return self.title or self.parent.title

    def get_absolute_url(self):
        return f"/catalogue/{self.slug}_{self.pk}/"


class ProductCategory(models.Model):
    product = models.ForeignKey(Product, models.CASCADE)
    category = models.ForeignKey(Category, models.CASCADE)


class ProductRecommendation(models.Model):
    primary = models.ForeignKey(Product, models.CASCADE, related_name="primary_recommendations")
    recommendation = models.ForeignKey(Product, models.CASCADE)
    ranking = models.PositiveSmallIntegerField(default=0)


class ProductImage(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="images")
    original = models.FileField(upload_to="images")
    display_order = models.PositiveIntegerField(default=0)


class Partner(models.Model):
    name = models.CharField(max_length=128)


class StockRecord(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="stockrecords")
    partner = models.ForeignKey(Partner, models.CASCADE, related_name="stockrecords")
    price_currency = models.CharField(max_length=12, default="EUR")
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    num_in_stock = models.PositiveIntegerField(null=True)
    num_allocated = models.IntegerField(null=True)


class Basket(models.Model):
    status = models.CharField(max_length=20, default="Open")


class BasketLine(models.Model):
    basket = models.ForeignKey(Basket, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.CASCADE, related_name="basket_lines")
    quantity = models.PositiveIntegerField(default=1)


class Order(models.Model):
    number = models.CharField(max_length=128, unique=True)
    basket = models.ForeignKey(Basket, models.SET_NULL, null=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="orders"
    )
    currency = models.CharField(max_length=12, default="EUR")
    total_incl_tax = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    status = models.CharField(max_length=100, blank=True)
    guest_email = models.EmailField(blank=True)
    date_placed = models.DateTimeField(auto_now_add=True)


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    partner = models.ForeignKey(Partner, models.SET_NULL, null=True, related_name="order_lines")
    stockrecord = models.ForeignKey(StockRecord, models.SET_NULL, null=True)
    product = models.ForeignKey(Product, models.SET_NULL, null=True)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField(default=1)
    line_price_incl_tax = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    unit_price_incl_tax = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    status = models.CharField(max_length=255, blank=True)


class OrderNote(models.Model):
    order = models.ForeignKey(Order, models.CASCADE)
    message = models.TextField()
