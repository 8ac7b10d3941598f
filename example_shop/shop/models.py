"""What the shop sells, and what it has sold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone


class Category(models.Model):
    """A node of the category tree; `path` is the slugs from the root, 'shoes/boots'."""

    name = models.CharField(max_length=80)
    path = models.CharField(max_length=200, unique=True)
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children"
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "name"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:category", args=[self.path])

    def ancestors(self) -> list[Category]:
        """From the root down to the parent."""
        found: list[Category] = []
        node = self.parent
        while node is not None:
            found.insert(0, node)
            node = node.parent
        return found

    @property
    def trail(self) -> str:
        """'Shoes > Boots', as the catalogue of recommendations names it."""
        return " > ".join(str(node) for node in (*self.ancestors(), self))


class Brand(models.Model):
    name = models.CharField(max_length=80, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


def on_stock() -> Q:
    """A product with stock of its own, or of one of its variants, in any warehouse."""
    held = StockRecord.objects.filter(quantity__gt=0)
    of_variants = held.filter(product__parent=OuterRef("pk"), product__is_active=True)
    return Q(Exists(held.filter(product=OuterRef("pk")))) | Q(Exists(of_variants))


class ProductQuerySet(models.QuerySet["Product"]):
    def canonical(self) -> ProductQuerySet:
        """Products with a page of their own: everything that is not a variant of another."""
        return self.filter(parent=None)

    def active(self) -> ProductQuerySet:
        return self.filter(is_active=True)

    def on_stock(self) -> ProductQuerySet:
        return self.filter(on_stock())

    def within(self, category: Category) -> ProductQuerySet:
        """In the category or anywhere below it."""
        return self.filter(Q(category=category) | Q(category__path__startswith=f"{category.path}/"))

    def for_cards(self) -> ProductQuerySet:
        return self.select_related("brand", "category")


class Product(models.Model):
    """Something to buy; with a `parent` it is a variant (a size, a colour) of that product."""

    title = models.CharField(max_length=200)
    slug = models.SlugField(max_length=120, unique=True)
    description = models.TextField(blank=True)
    category = models.ForeignKey(Category, models.PROTECT, related_name="products")
    brand = models.ForeignKey(Brand, models.PROTECT, null=True, blank=True)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    compare_at_price = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="What it cost before it was reduced.",
    )
    image = models.ImageField(upload_to="products", max_length=200, blank=True)
    colour = models.CharField(max_length=40, blank=True)
    gender = models.CharField(max_length=20, blank=True)
    age_group = models.CharField(max_length=20, blank=True)
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="variants"
    )
    option = models.CharField(max_length=40, blank=True, help_text="Of a variant: 'Size M'.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "pk"]

    def __str__(self) -> str:
        return f"{self.title}, {self.option}" if self.option else self.title

    def get_absolute_url(self) -> str:
        """A variant lives on the page of its product."""
        return reverse("shop:product", args=[self.parent_id or self.pk, self.slug])

    @property
    def was(self) -> Decimal | None:
        """The price before, while it is reduced."""
        before = self.compare_at_price
        return before if before is not None and before > self.price else None

    @property
    def canonical(self) -> Product:
        return self.parent or self


class ProductPicture(models.Model):
    """One more picture of a product, beside its main one."""

    product = models.ForeignKey(Product, models.CASCADE, related_name="gallery")
    image = models.ImageField(upload_to="products", max_length=200)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.image.name or ""


class StockRecord(models.Model):
    """How many of a product lie in one warehouse."""

    product = models.ForeignKey(Product, models.CASCADE, related_name="stock")
    warehouse = models.CharField(max_length=20, default="north")
    quantity = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "warehouse"], name="shop_stock_once"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} in {self.warehouse}"


class Order(models.Model):
    class Status(models.TextChoices):
        PAID = "paid"
        CANCELLED = "cancelled"
        REFUNDED = "refunded"

    number = models.CharField(max_length=32, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="orders"
    )
    visitor = models.CharField(max_length=36, blank=True, help_text="Who a guest was.")
    name = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True)
    address = models.TextField(blank=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.PAID)
    placed_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-placed_at", "-pk"]

    def __str__(self) -> str:
        return self.number

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.changed_at = timezone.now()
        super().save(*args, **kwargs)

    @property
    def total(self) -> Decimal:
        return sum((line.total for line in self.lines.all()), Decimal())


class OrderLine(models.Model):
    """What was bought; the title and the price as they were then."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.SET_NULL, null=True)
    title = models.CharField(max_length=250)
    quantity = models.PositiveIntegerField(default=1)
    price = models.DecimalField(max_digits=10, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.quantity} x {self.title}"

    @property
    def total(self) -> Decimal:
        return self.price * self.quantity


class WishlistItem(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="wishlist")
    product = models.ForeignKey(Product, models.CASCADE)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-added_at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "product"], name="shop_wish_once"),
        ]

    def __str__(self) -> str:
        return str(self.product)
